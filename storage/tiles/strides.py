"""Series of int64 as records of one width: a base, bit-packed deltas, and a list of the deltas that do not fit.

All arithmetic is modulo 2**64, so that no delta overflows. A series is
`base + (first << base_shift)`, then `+ least + (field << shift)` or the outlier at that place.
"""

from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.errors import DamagedTile
from storage.tiles import bits
from storage.tiles.heads import Layout, counts_of, missing_of, outliers_of, unpack_outliers

# Below so many points plain Python beats the fixed cost of numpy calls (measured: 10 µs at 40 points).
SMALL = 40
_ALL = (1 << 64) - 1
_SIGN = 1 << 63


def unpack(head: bytes, layout: Layout, raw: bytes) -> tuple[Integers, NDArray[np.intp]]:
    """All series as rows of one grid, and how many values of each row count; the rest of a row is noise."""
    slots, stride = layout.slots, layout.record_bytes
    if len(raw) != slots * stride:
        raise DamagedTile("the records of a tile are cut off")
    counts = counts_of(head, layout)
    padded = raw + bytes(bits.TAIL)
    grid = np.zeros((slots, layout.points), np.uint64)
    if not layout.points:
        return grid.view(np.int64), counts
    first = bits.unpack(padded, slots, 1, 8 * layout.base_bytes, start=0, stride=stride)
    grid[:, :1] = _affine(first, layout.base, layout.base_shift)
    start = layout.base_bytes
    fields = bits.unpack(padded, slots, layout.deltas, layout.width, start=start, stride=stride)
    grid[:, 1:] = _affine(fields, layout.least, layout.shift)
    (slot, place), delta = unpack_outliers([(head, layout)])
    grid[slot, place + 1] = delta.view(np.uint64)
    return np.add.accumulate(grid, axis=1).view(np.int64), counts


def unpack_record(head: bytes, layout: Layout, record: bytes, slot: int) -> list[int] | Integers:
    """One series from its record: a list of a short one, an array of a long one."""
    if len(record) != layout.record_bytes:
        raise DamagedTile("the record of a tile is cut off")
    count = layout.points - missing_of(head, layout, slot)
    if count < 0:
        raise DamagedTile("a tile has fewer readings than none")
    if not count:
        return []
    first = layout.base + (int.from_bytes(record[: layout.base_bytes], "little") << layout.base_shift)
    outliers = outliers_of(head, layout, slot) if layout.outliers else ()
    if count <= SMALL:
        return _short(layout, record, first, count, outliers)
    fields = bits.unpack_row(record + bytes(bits.TAIL), layout.base_bytes, count - 1, layout.width)
    values = np.empty(count, np.uint64)
    values[1:] = _affine(fields, layout.least, layout.shift)
    values[0] = first & _ALL
    for place, delta in outliers:
        if place < count - 1:
            values[place + 1] = delta & _ALL
    return np.add.accumulate(values).view(np.int64)


def _short(
    layout: Layout, record: bytes, first: int, count: int, outliers: Iterable[tuple[int, int]]
) -> list[int]:
    least, width, shift = layout.least, layout.width, layout.shift
    if width:
        rest, mask = int.from_bytes(record[layout.base_bytes :], "little"), (1 << width) - 1
        deltas = [least + ((rest >> at & mask) << shift) for at in range(0, (count - 1) * width, width)]
    else:
        deltas = [least] * (count - 1)
    for place, delta in outliers:
        if place < count - 1:
            deltas[place] = delta
    values = list(accumulate(deltas, initial=first))
    if min(values) < -_SIGN or max(values) >= _SIGN:
        values = [((value + _SIGN) & _ALL) - _SIGN for value in values]
    return values


def _affine(fields: bits.Words, base: int, shift: int) -> bits.Words:
    return (fields << np.uint64(shift)) + np.uint64(base & _ALL)
