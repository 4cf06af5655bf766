"""Many times as text at once, put together from tables of their parts: a tenth of what numpy takes for each."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers

Texts = NDArray[np.bytes_]  # of one length
_Pieces = NDArray[np.void]

SECOND: Final = 1_000_000
_HOUR, _DAY = 3600, 86400
# Pieces of 4, 8 and 16 bytes are put in place several times as fast as others: the next one covers what is too long.
_WHOLE: Final = np.dtype(
    {
        "names": ["date", "hour", "second"],
        "formats": ["V16", "V4", "V5"],
        "offsets": [0, 10, 14],
        "itemsize": 19,
    }
)
_EXACT: Final = np.dtype(
    {
        "names": ["date", "hour", "second", "thousands", "rest"],
        "formats": ["V16", "V4", "V8", "V4", "V3"],
        "offsets": [0, 10, 14, 20, 23],
        "itemsize": 26,
    }
)


def texts_of(column: Integers) -> Texts | list[bytes]:
    """As `times.text_of` of each; a list where some are whole seconds and some are not."""
    seconds = column // SECOND
    rest = column - seconds * SECOND
    if not rest.any():
        return _put(np.empty(len(column), _WHOLE), seconds).view("S19")
    found = _put(np.empty(len(column), _EXACT), seconds)
    thousands = rest // 1000
    found["thousands"] = _thousands().take(thousands)
    found["rest"] = _thousands().take(rest - thousands * 1000)
    if rest.all():
        return found.view("S26")
    return [text.removesuffix(b".000000") for text in found.view("S26").tolist()]


def _put(texts: _Pieces, seconds: Integers) -> _Pieces:
    day = seconds // _DAY
    second = seconds - day * _DAY
    hour = second // _HOUR
    first, last = int(day.min()), int(day.max())
    if last - first < len(day):
        texts["date"] = _dates(np.arange(first, last + 1)).take(day - first)
    else:
        texts["date"] = _dates(day)
    texts["hour"] = _hours().take(hour)
    texts["second"] = _seconds().take(second - hour * _HOUR)
    return texts


def _dates(days: Integers) -> _Pieces:
    return days.astype("M8[D]").astype("S16").view("V16")


@lru_cache(1)
def _hours() -> _Pieces:
    return np.array([f"T{hour:02}:" for hour in range(24)], "S4").view("V4")


@lru_cache(1)
def _seconds() -> _Pieces:
    """The minute and second of each second of an hour."""
    return np.array([f"{second // 60:02}:{second % 60:02}." for second in range(_HOUR)], "S8").view("V8")


@lru_cache(1)
def _thousands() -> _Pieces:
    return np.array([f"{number:03}" for number in range(1000)], "S4").view("V4")
