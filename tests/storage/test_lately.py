"""What is remembered lately: bounded, and of too many a part."""

import pytest

from storage.lately import Lately


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("keys", "known"), [(5, 5), (20, 20), (21, 20), (40, 20), (400, 20)])
def test_of_keys_that_come_by_turns_as_many_are_known_as_there_is_room_for(keys: int, known: int) -> None:
    lately: Lately[int, str] = Lately(10, clock_s=Clock())
    hits = 0

    for _ in range(3):
        hits = 0
        for key in range(keys):
            if lately.get(key) is None:
                lately.put(key, "something")
            else:
                hits += 1

    assert hits == known


def test_what_is_used_stays_and_what_is_not_goes_after_two_hours() -> None:
    clock = Clock()
    lately: Lately[str, int] = Lately(10, clock_s=clock)
    lately.put("used", 1)
    lately.put("gone", 1)

    for hour in range(1, 4):
        clock.now_s = hour * 3600.0
        lately.put(f"new {hour}", hour)
        assert lately.get("used") == 1

    assert lately.get("gone") is None


def test_the_newest_value_counts_wherever_the_older_one_stands() -> None:
    clock = Clock()
    lately: Lately[str, int] = Lately(1, clock_s=clock)
    lately.put("a", 1)
    lately.put("b", 1)  # there is room for it among the older ones

    for value in (2, 3):
        clock.now_s += 3600.0
        for key in ("b", "a"):
            lately.put(key, value)
            assert lately.get(key) == value

    lately.clear()
    assert lately.get("a") is None
