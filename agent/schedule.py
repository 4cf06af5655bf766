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
        self._turns = dict.fromkeys(intervals_s, 0)  # counted, so that rounding cannot make one come twice

    def take_due(self, now_s: float) -> frozenset[str]:
        """The pollsters due by now; each is then due again at its next time after now."""
        due = frozenset(name for name in self._turns if self._time_s(name) <= now_s)
        for name in due:
            passed = int((now_s - self._start_s) // self._intervals_s[name])
            self._turns[name] = max(passed, self._turns[name]) + 1
        return due

    def next_s(self) -> float | None:
        """When something is due next; None when there is nothing to poll."""
        return min((self._time_s(name) for name in self._turns), default=None)

    def _time_s(self, name: str) -> float:
        return self._start_s + self._turns[name] * self._intervals_s[name]
