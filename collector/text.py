"""Text and metadata made fit for every database: no NUL, no lone surrogate, no secret, bounded size.

What is too much of metadata is left out and never costs the reading it belongs to; the key
`metadata_truncated` then says so.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from collector.secrets import without_secrets
from storage.sample import INT64_MAX, INT64_MIN
from storage.secrets import names_secret

KEY_LIMIT_BYTES = 255
DEPTH_LIMIT = 32
TRUNCATED = "metadata_truncated"

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: bytes of one text, keys and list items (nested ones included), bytes in all."""

    string_bytes: int
    keys: int
    all_bytes: int


METADATA_LIMITS = Limits(4 * 2**10, 256, 64 * 2**10)


def clean(text: str) -> str:
    """The text with NUL and lone surrogates, which no database takes, replaced by U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


def cut(text: str, limit_bytes: int) -> str:
    """The longest beginning of a clean text that has at most this many bytes of UTF-8."""
    if len(text) * 4 <= limit_bytes:
        return text
    return text.encode()[:limit_bytes].decode(errors="ignore")


def tidy_metadata(metadata: Mapping[object, object], limits: Limits = METADATA_LIMITS) -> dict[str, object]:
    """Metadata of the same shape within these limits and all others of this module.

    Keys that name a secret (`collector.secrets`) are left out at every depth. Integers beyond
    64 bits, non-finite floats and values that are not JSON become text.
    """
    # A key counts for so many bytes that those who stay within the bytes stay within the number of keys, too.
    if _plain_size(metadata, limits.string_bytes / limits.keys, 1) <= min(
        limits.string_bytes, limits.all_bytes
    ):
        return cast("dict[str, object]", metadata)  # nothing else has a size
    tidying = _Tidying(limits)
    tidied = tidying.mapping(metadata, 1)
    if tidying.truncated:
        tidied[TRUNCATED] = True
    return tidied


def remembering_metadata() -> Callable[[Mapping[object, object]], dict[str, object]]:
    """`tidy_metadata` for the readings of one message, which mostly share the very same metadata object.

    Good only as long as the caller keeps the message: objects are told apart by their place in memory.
    """
    known: dict[int, dict[str, object]] = {}

    def tidy(metadata: Mapping[object, object]) -> dict[str, object]:
        tidied = known.get(id(metadata))
        if tidied is None:
            tidied = known[id(metadata)] = tidy_metadata(metadata)
        return tidied

    return tidy


def _plain_size(metadata: object, key_bytes: float, depth: int) -> float:
    """The bytes of keys and texts of an object of which nothing has to be altered, and as many more for each key.

    Infinity of all others.
    """
    if type(metadata) is not dict or depth > DEPTH_LIMIT:
        return math.inf
    size = key_bytes * len(metadata)
    for key, item in metadata.items():
        kind = type(item)
        if kind is str:
            if "://" in item or "?" in item or not item.isascii() or "\0" in item:
                return math.inf
            size += len(item)
        elif kind is dict:
            size += _plain_size(item, key_bytes, depth + 1)
        elif (
            item is not None and kind is not bool and (kind is not int or not INT64_MIN <= item <= INT64_MAX)
        ):
            return math.inf
        if type(key) is not str or not _is_plain_key(key):
            return math.inf
        size += len(key)
    return size


@lru_cache(4096)
def _is_plain_key(key: str) -> bool:
    return len(key) <= KEY_LIMIT_BYTES and key.isascii() and "\0" not in key and not names_secret(key)


class _Tidying:
    """The allowance one metadata has left."""

    def __init__(self, limits: Limits) -> None:
        self.truncated = False
        self._string_bytes = limits.string_bytes
        self._keys = limits.keys
        self._bytes = limits.all_bytes

    def mapping(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        tidied: dict[str, object] = {}
        for key, item in value.items():
            name = clean(key) if isinstance(key, str) else str(key)
            if names_secret(name):
                continue
            size = len(name) if name.isascii() else len(name.encode())
            if not self._afford(size) or (depth >= DEPTH_LIMIT and not self._fits(item, depth)):
                self.truncated = True
            elif item is None or type(item) is bool:
                tidied[name] = item
            elif type(item) is str:
                tidied[name] = self._text(item)
            else:
                tidied[name] = self._value(item, depth + 1)
        return tidied

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, (list, tuple)):
            return self._sequence(value, depth)
        return self._text(str(value))

    def _sequence(self, value: list[object] | tuple[object, ...], depth: int) -> list[object]:
        tidied = []
        for item in value:
            if not self._afford(1) or not self._fits(item, depth):
                self.truncated = True
                break
            tidied.append(self._value(item, depth + 1))
        return tidied

    def _text(self, value: str) -> str:
        value = without_secrets(value)
        size = len(value)
        if size <= self._string_bytes and size <= self._bytes and value.isascii() and "\0" not in value:
            self._bytes -= size
            return value
        whole = clean(value)
        text = cut(whole, min(self._string_bytes, self._bytes))
        self._bytes -= len(text) if text.isascii() else len(text.encode())
        self.truncated = self.truncated or text != whole
        return text

    def _fits(self, value: object, depth: int) -> bool:
        return depth < DEPTH_LIMIT or not isinstance(value, (Mapping, list, tuple))

    def _afford(self, size_bytes: int) -> bool:
        """Whether one more key of this size is within the limits; it is then paid for."""
        if self._keys == 0 or self._bytes < size_bytes or size_bytes > KEY_LIMIT_BYTES:
            return False
        self._keys -= 1
        self._bytes -= size_bytes
        return True
