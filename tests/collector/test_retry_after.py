from datetime import UTC, datetime, timedelta

import pytest

from collector.retry_after import asked_wait

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("1000000000", 10**9),
        ("9" * 400, 10**9),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0),
    ],
)
def test_a_wait_is_asked_for_in_seconds_or_by_a_date(text: str, seconds: int) -> None:
    assert asked_wait(text, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "x", "-5", "٣", "Mon, 23 Nov 2026 12:01:30", "Mon, 99 Nov 2026 12:01:30 GMT"]
)
def test_what_cannot_be_read_asks_for_nothing(text: str) -> None:
    assert asked_wait(text, NOW) is None
