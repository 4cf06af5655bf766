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
from storage.tiles.heads import (
    OUTLIERS_MAX,
    POINTS_MAX,
    SLOTS_MAX,
    Layout,
    Places,
    counts_of,
    missing_of,
    outliers_of,
    pack_head,
    pack_outliers,
    signed_code,
    unpack_outliers,
    unsigned_code,
)

# Below so many points plain Python beats the fixed cost of numpy calls (measured: 10 µs at 40 points).
SMALL = 40
_ALL = (1 << 64) - 1
_SIGN = 1 << 63


def pack(series: Integers, counts: NDArray[np.intp]) -> tuple[bytes, int, bytes]:
    """Head, bytes of a record, and records of series that stand one after the other in `series`."""
    slots, points = len(counts), int(counts.max(initial=0))
    if slots > SLOTS_MAX or points > POINTS_MAX:
        raise ValueError(f"a tile holds {SLOTS_MAX} slots of {POINTS_MAX} points, not {slots} of {points}")
    grid, filled = _grid(series, counts, points)
    if filled is None and (grid[:, 1:] == grid[:, :-1]).all():
        return _pack_constant(grid, counts, points)
    deltas = np.diff(grid, axis=1)  # wraps
    known = deltas.ravel() if filled is None else deltas[filled[:, 1:]]
    least, most = _window(known, slots, points)
    fields, outlying = _fields(deltas, filled, least, most)
    shift = _trailing_zeros(fields)
    width = ((most - least) >> shift).bit_length()
    first, base, base_shift, base_bytes = _bases(grid, counts)
    head = pack_head(
        counts,
        points,
        bases=(base_bytes, base_shift, base),
        deltas=(width, shift, least),
        outliers=pack_outliers(deltas, outlying),
    )
    raw = np.hstack((first, bits.pack(fields >> np.uint64(shift), width)))
    return head, raw.shape[1], raw.tobytes()


def _pack_constant(grid: Integers, counts: NDArray[np.intp], points: int) -> tuple[bytes, int, bytes]:
    """Series none of which ever changes: most versions, and what guests were given."""
    first, base, base_shift, base_bytes = _bases(grid, counts)
    head = pack_head(
        counts, points, bases=(base_bytes, base_shift, base), deltas=(0, 0, 0), outliers=(0, 0, b"")
    )
    return head, base_bytes, first.tobytes()


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
    (slot, place), delta = unpack_outliers(head, layout)
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


def _grid(
    series: Integers, counts: NDArray[np.intp], points: int
) -> tuple[Integers, NDArray[np.bool_] | None]:
    """The series as rows, and which cells are filled (None: all)."""
    if len(series) == len(counts) * points:
        return series.reshape(len(counts), points), None
    filled = np.arange(points) < counts[:, None]
    grid = np.zeros(filled.shape, np.int64)
    grid[filled] = series
    return grid, filled


def _window(deltas: Integers, slots: int, points: int) -> tuple[int, int]:
    """The least and the most of the deltas that go into the records; others become outliers.

    The search runs only when the extremes need 2 bits more than the middle 96 %: it adds a third to the time of
    encoding an hour, a tenth to that of a day (measured).
    """
    if not len(deltas):
        return 0, 0
    ordered = np.sort(deltas)
    least, most = int(ordered[0]), int(ordered[-1])
    trim = max(1, len(ordered) // 50)
    if len(ordered) < 4 or (most - least).bit_length() < 2 + _span(ordered, trim).bit_length():
        return least, most
    # How many to leave out at either end: few candidates, close together where it matters.
    limit = min(len(ordered) // 8, OUTLIERS_MAX // 2)
    steps = [0, *sorted({int(1.3**power) for power in range(40) if 1.3**power <= max(limit, 1)})]
    low, high = ordered[steps].view(np.uint64), ordered[[-1 - step for step in steps]].view(np.uint64)
    width = np.frexp((high[None, :] - low[:, None]).astype(np.float64))[1]
    left_out = np.add.outer(steps, steps)
    outlier_bytes = 1 + (1 << unsigned_code(points)) + (1 << signed_code(least, most))
    cost = slots * (((points - 1) * width + 7) >> 3) + left_out * outlier_bytes
    below, above = divmod(int(np.argmin(cost)), len(steps))
    return int(ordered[steps[below]]), int(ordered[-1 - steps[above]])


def _span(ordered: Integers, trim: int) -> int:
    return int(ordered[-1 - trim]) - int(ordered[trim])


def _fields(
    deltas: Integers, filled: NDArray[np.bool_] | None, least: int, most: int
) -> tuple[bits.Words, Places]:
    """What the records hold, before the shift; and where the outliers are (slot, place), in this order."""
    fields = deltas.view(np.uint64) - np.uint64(least & _ALL)
    outside = fields > np.uint64(most - least)
    if filled is not None:
        fields[~filled[:, 1:]] = 0
        outside &= filled[:, 1:]
    slot, place = np.nonzero(outside)
    fields[slot, place] = 0
    return fields, (slot, place)


def _bases(grid: Integers, counts: NDArray[np.intp]) -> tuple[bits.Octets, int, int, int]:
    """The first values' bytes (no record has more than the largest needs), base, shift and number of bytes."""
    some = counts > 0
    if not some.any():
        return np.zeros((len(counts), 0), np.uint8), 0, 0, 0
    base = int(grid[some, 0].min())
    first = np.where(some, grid[:, 0].view(np.uint64) - np.uint64(base & _ALL), np.uint64(0))
    shift = _trailing_zeros(first)
    first = (first >> np.uint64(shift)).astype("<u8")
    size = (int(first.max()).bit_length() + 7) >> 3
    return first.view(np.uint8).reshape(-1, 8)[:, :size], base, shift, size


def _affine(fields: bits.Words, base: int, shift: int) -> bits.Words:
    return (fields << np.uint64(shift)) + np.uint64(base & _ALL)


def _trailing_zeros(words: bits.Words) -> int:
    """The power of two that divides all words."""
    either = int(np.bitwise_or.reduce(words, axis=None))
    return (either & -either).bit_length() - 1 if either else 0
