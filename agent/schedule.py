"""When which pollster is due."""

from collections.abc import Mapping


class Schedule:
    """Times of polls on the monotonic clock, in seconds.

    Every pollster is due at `start_s` and then at whole multiples of its interval after it, so that those
    of one rhythm stay together. A late poll moves no later one, and missed ones are not made up for.
    """

    def __init__(self, intervals_s: Mapping[str, float], start_s: float) -> None:
        self._intervals_s = dict(intervals_s)
        self._start_s = start_s
        self._next_s = dict.fromkeys(intervals_s, start_s)

    def take_due(self, now_s: float) -> frozenset[str]:
        """The pollsters due by now; each is then due again at its next time after now."""
        due = frozenset(name for name, next_s in self._next_s.items() if next_s <= now_s)
        for name in due:
            interval_s = self._intervals_s[name]
            passed = int((now_s - self._start_s) // interval_s)
            self._next_s[name] = self._start_s + (passed + 1) * interval_s
        return due

    def next_s(self) -> float | None:
        """When something is due next; None when there is nothing to poll."""
        return min(self._next_s.values(), default=None)
