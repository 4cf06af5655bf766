"""The sums over all records of a tile, so that whoever wants no more need not decode it."""

import math
from dataclasses import dataclass
from struct import Struct
from typing import cast
from zlib import crc32

import numpy as np

from storage.columns import Integers, Volumes, is_real

_INTEGER = Struct("<qqqqqqq")  # count, first, last, least, most, high, low of the sum
_REAL = Struct("<qqqdddq")
_SUM = Struct("<q")  # a checksum of what stands before it, as wide as every other word
SIZE = _INTEGER.size + _SUM.size
WORD = 32  # bits of `low`


@dataclass(frozen=True, slots=True)
class Total:
    """What the readings of a tile come to; the sum of integers is `high * 2**32 + low`, of floats `high`."""

    count: int
    first: int
    last: int
    least: int | float
    most: int | float
    high: int | float
    low: int


def pack_total(ts: Integers, volumes: Volumes) -> bytes:
    """The total of at least one reading; no bytes where the sum of floats is no float."""
    count, first, last = len(ts), int(ts.min()), int(ts.max())
    if not is_real(volumes):
        high, low = sum_of_integers(cast("Integers", volumes))
        return _checked(_INTEGER.pack(count, first, last, int(volumes.min()), int(volumes.max()), high, low))
    try:
        total = math.fsum(volumes.tolist())
    except OverflowError:
        return b""
    return _checked(_REAL.pack(count, first, last, float(volumes.min()), float(volumes.max()), total, 0))


def unpack_total(tot: bytes, *, real: bool) -> Total:
    """The total that `pack_total` made."""
    return Total(*(_REAL if real else _INTEGER).unpack(tot[: -_SUM.size]))


def is_whole(tot: bytes) -> bool:
    """Whether the checksum of a total of `SIZE` bytes is right."""
    return _checked(tot[: -_SUM.size]) == tot


def sum_of_integers(volumes: Integers) -> tuple[int, int]:
    """The exact sum of int64 in two words: high and low (0 <= low < 2**32)."""
    high = int((volumes >> np.int64(WORD)).sum())
    low = int((volumes & np.int64((1 << WORD) - 1)).sum())
    return high + (low >> WORD), low & ((1 << WORD) - 1)


def _checked(total: bytes) -> bytes:
    return total + _SUM.pack(crc32(total))
