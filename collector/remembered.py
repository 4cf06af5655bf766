from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """What was made of texts, as long as they keep coming; those not seen for long are forgotten.

    What is remembered weighs at most twice `limit_bytes`: what was used last, and what was used before that.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._newer: dict[bytes, tuple[V, int]] = {}
        self._older: dict[bytes, tuple[V, int]] = {}

    def get(self, text: bytes) -> V | None:
        """What was remembered of this text, None if nothing."""
        found = self._newer.get(text)
        if found is None:
            found = self._older.get(text)
            if found is None:
                return None
            self.put(text, *found)
        return found[0]

    def put(self, text: bytes, value: V, weight: int) -> None:
        """Remembers what was made of this text, and that it weighs so many bytes."""
        self._bytes += weight
        if self._bytes > self._limit_bytes:
            self._older, self._newer, self._bytes = self._newer, {}, weight
        self._newer[text] = value, weight
