from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """What was made of texts, as long as they keep coming; those not seen for long are forgotten.

    Holds at most `limit_bytes` of texts twice: what was used last, and what was used before that.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._newer: dict[bytes, V] = {}
        self._older: dict[bytes, V] = {}

    def get(self, text: bytes) -> V | None:
        """What was remembered of this text, None if nothing."""
        found = self._newer.get(text)
        if found is None:
            found = self._older.get(text)
            if found is not None:
                self.put(text, found)
        return found

    def put(self, text: bytes, value: V) -> None:
        """Remembers what was made of this text."""
        self._bytes += len(text)
        if self._bytes > self._limit_bytes:
            self._older, self._newer, self._bytes = self._newer, {}, len(text)
        self._newer[text] = value
