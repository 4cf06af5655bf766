"""What is remembered of keys that come again and again, in bounded room."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lately(Generic[K, V]):
    """Remembers what was used within the last hour, of at most twice `limit` keys.

    Where more keys than that come by turns, those that came first stay: a part of them is always known, and the share
    of those that are not grows with their number instead of being all at once. Any thread may use it.
    """

    def __init__(
        self, limit: int, *, age_s: float = 3600.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._age_s, self._clock_s = limit, age_s, clock_s
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._began_s = clock_s()

    def get(self, key: K) -> V | None:
        """What was put there, None if it is not known (any more)."""
        found = self._newer.get(key)
        if found is None:
            found = self._older.get(key)
            if found is not None and len(self._newer) < self._limit:
                found = self._newer.setdefault(
                    key, found
                )  # another thread may have put something there meanwhile
                self._older.pop(key, None)
        return found

    def put(self, key: K, value: V) -> None:
        """Remembers it, if there is room."""
        now_s = self._clock_s()
        if now_s - self._began_s >= self._age_s:
            self._newer, self._older, self._began_s = {}, self._newer, now_s
        if key in self._newer or len(self._newer) < self._limit:
            self._newer[key] = value
            self._older.pop(key, None)
        elif key in self._older or len(self._older) < self._limit:
            self._older[key] = value

    def clear(self) -> None:
        """Forgets everything."""
        self._newer, self._older = {}, {}
