"""The sums over all records of a tile, so that whoever wants no more need not decode it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import cast
from zlib import crc32

import numpy as np

from storage.columns import Floats, Integers, Volumes, is_real

_INTEGER = Struct("<qqqqqqq")  # count, first, last, least, most, high, low of the sum
_REAL = Struct("<qqqdddq")
_SUM = Struct("<q")  # a checksum of what stands before it, as wide as every other word
SIZE = _INTEGER.size + _SUM.size
WORD = 32  # bits of `low`
_LOW = (1 << WORD) - 1


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
    return pack_totals([(ts, [volumes])])[0][0]


def pack_totals(spans: Sequence[tuple[Integers, Sequence[Volumes]]]) -> list[list[bytes]]:
    """The totals of the readings of several meters at the same stamps; of spans with equally many stamps."""
    times = [(len(ts), int(ts.min()), int(ts.max())) for ts, _ in spans]
    places = [(span, place) for span, (_, meters) in enumerate(spans) for place in range(len(meters))]
    found = [[b""] * len(meters) for _, meters in spans]
    integers = []
    for span, place in places:
        volumes = spans[span][1][place]
        if is_real(volumes):
            found[span][place] = _real(times[span], volumes)
        else:
            integers.append((span, place))
    if integers:
        stack = np.stack([cast("Integers", spans[span][1][place]) for span, place in integers])
        high, low = (stack >> np.int64(WORD)).sum(1), (stack & np.int64(_LOW)).sum(1)
        columns = stack.min(1), stack.max(1), high + (low >> np.int64(WORD)), low & np.int64(_LOW)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for (span, place), row in zip(integers, rows, strict=True):
            found[span][place] = _checked(_INTEGER.pack(*times[span], *row))
    return found


def _real(times: tuple[int, int, int], volumes: Floats) -> bytes:
    try:
        total = math.fsum(volumes.tolist())
    except OverflowError:
        return b""
    return _checked(_REAL.pack(*times, float(volumes.min()), float(volumes.max()), total, 0))


def unpack_total(tot: bytes, *, real: bool) -> Total:
    """The total that `pack_total` made."""
    return Total(*(_REAL if real else _INTEGER).unpack(tot[: -_SUM.size]))


def is_whole(tot: bytes) -> bool:
    """Whether the checksum of a total of `SIZE` bytes is right."""
    found: int = _SUM.unpack_from(tot, SIZE - _SUM.size)[0]
    return crc32(tot[: -_SUM.size]) == found


def _checked(total: bytes) -> bytes:
    return total + _SUM.pack(crc32(total))
