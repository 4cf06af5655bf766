"""Whether metadata holds what a condition names, and what it costs to find out."""

import time

import pytest

from storage.query import MetadataMatch
from storage.reading.matching import holds


@pytest.mark.parametrize(
    ("key", "is_held"),
    [("a.b", True), ("a", False), ("a.b.c", False), ("a.c", False), ("b", False), ("c.d", True), ("", False)],
)
def test_a_key_leads_level_by_level_to_its_value(key: str, is_held: bool) -> None:
    assert holds(MetadataMatch(key, 1, "1"), {"a": {"b": 1}, "c.d": 1}) == is_held


def test_a_key_of_thousands_of_steps_is_no_more_work_than_others() -> None:
    endless = MetadataMatch("a." * 30_000 + "a", 1, "1")
    started = time.process_time()

    assert not any(holds(endless, {"a": {"a": 1}}) for _ in range(1000))

    assert time.process_time() - started < 0.5  # some 0.01 s; many seconds when every step was looked at
