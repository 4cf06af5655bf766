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
_TIMES = Struct("<qqq")  # of both
_SUM = Struct("<q")  # a checksum of what stands before it, as wide as every other word
SIZE = _INTEGER.size + _SUM.size
WORD = 32  # bits of `low`
_DIGITS = 53  # of a float
_FAR = 900  # exponents of two: far from where floats end
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
    integers = [place for place in places if not is_real(spans[place[0]][1][place[1]])]
    reals = [place for place in places if is_real(spans[place[0]][1][place[1]])]
    if integers:
        stack = np.stack([cast("Integers", spans[span][1][place]) for span, place in integers])
        high, low = (stack >> np.int64(WORD)).sum(1), (stack & np.int64(_LOW)).sum(1)
        columns = stack.min(1), stack.max(1), high + (low >> np.int64(WORD)), low & np.int64(_LOW)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for (span, place), row in zip(integers, rows, strict=True):
            found[span][place] = _checked(_INTEGER.pack(*times[span], *row))
    if reals:
        floats = np.stack([cast("Floats", spans[span][1][place]) for span, place in reals])
        of_rows = zip(floats.min(1).tolist(), floats.max(1).tolist(), sums_of(floats), strict=True)
        for (span, place), (least, most, total) in zip(reals, of_rows, strict=True):
            if total is not None:
                found[span][place] = _checked(_REAL.pack(*times[span], least, most, total, 0))
    return found


def sums_of(rows: Floats) -> list[float | None]:
    """Of each row the float nearest to its exact sum, as `math.fsum` has it; None where that is no float.

    Every value is a multiple of the last bit of the least of them. Where these bits are not too far apart, the higher
    and the lower halves of all values add up without rounding, and only the sum of both is rounded.
    """
    many = max(2, (rows.shape[1] - 1).bit_length())
    size = np.abs(rows)
    most = np.frexp(size.max(1))[1].astype(np.int64)
    least = np.frexp(np.where(size > 0, size, np.inf).min(1))[1].astype(np.int64)
    exact = (size > 0).any(1) & (most - least <= _DIGITS + 1 - 2 * many)
    exact &= np.isfinite(size.max(1)) & (np.abs(most) < _FAR) & (np.abs(least) < _FAR)
    unit = np.where(exact, most + many - _DIGITS, 0)  # the last bit of the higher halves
    with np.errstate(over="ignore", invalid="ignore"):
        away = np.ldexp(1.5, unit + _DIGITS - 1)[
            :, None
        ]  # so large that what is added to it loses the lower half
        high = (rows + away) - away
        totals = high.sum(1) + (rows - high).sum(1)
    pairs = zip(rows, exact.tolist(), totals.tolist(), strict=True)
    return [total if is_exact else _slowly(row) for row, is_exact, total in pairs]


def _slowly(row: Floats) -> float | None:
    try:
        return math.fsum(row.tolist())
    except OverflowError:
        return None


def unpack_total(tot: bytes, *, real: bool) -> Total:
    """The total that `pack_total` made."""
    return Total(*(_REAL if real else _INTEGER).unpack(tot[: -_SUM.size]))


def times_in(tot: bytes) -> tuple[int, int]:
    """The first and the last time of the readings of a total."""
    _, first, last = _TIMES.unpack_from(tot)
    return first, last


def is_whole(tot: bytes) -> bool:
    """Whether the checksum of a total of `SIZE` bytes is right."""
    found: int = _SUM.unpack_from(tot, SIZE - _SUM.size)[0]
    return crc32(tot[: -_SUM.size]) == found


def _checked(total: bytes) -> bytes:
    return total + _SUM.pack(crc32(total))
