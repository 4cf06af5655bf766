"""Packs series of int64 into records as `storage.tiles.strides` tells of them: those of several meters in one pass.

What numpy costs a call is paid once, not once a meter, which is most of what an hour of a group takes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.tiles import bits
from storage.tiles.heads import (
    OUTLIERS_MAX,
    POINTS_MAX,
    SLOTS_MAX,
    pack_counts,
    pack_head,
    pack_outliers,
    signed_code,
    unsigned_code,
)

Flags = NDArray[np.bool_]

LOOKED_AT = 8192

_ALL = (1 << 64) - 1


class Packed(NamedTuple):
    """The head of a tile, the bytes of a record, and the records."""

    head: bytes
    w: int
    raw: bytes


class _First(NamedTuple):
    """The first values of each series without base and shift; no record has more bytes than the largest needs."""

    words: bits.Words
    base: int
    shift: int

    @property
    def octets(self) -> bits.Octets:
        """The bytes that are kept of each."""
        size = (int(self.words.max(initial=0)).bit_length() + 7) >> 3
        return self.words.view(np.uint8).reshape(-1, 8)[:, :size]


def pack(stack: Integers, counts: NDArray[np.intp]) -> list[Packed]:
    """A row of `stack` for each meter: its series one after the other; `counts` says how long each is."""
    slots, points = len(counts), int(counts.max(initial=0))
    if slots > SLOTS_MAX or points > POINTS_MAX:
        raise ValueError(f"a tile holds {SLOTS_MAX} slots of {POINTS_MAX} points, not {slots} of {points}")
    grid, filled = _grid(stack, counts, points)
    deltas = np.diff(grid, axis=2)  # wraps
    known = deltas.reshape(len(grid), -1) if filled is None else deltas[:, filled[:, 1:]]
    windows = _windows(known, slots, points)
    fields, outside = _fields(deltas, filled, windows)
    shifts = _trailing_zeros(fields.reshape(len(grid), -1))
    firsts = _firsts(grid[:, :, 0], counts) if points else [_First(np.zeros(0, "<u8"), 0, 0)] * len(grid)
    counted = pack_counts(counts, points)
    listed = [] if outside is None else np.flatnonzero(outside.any((1, 2))).tolist()
    found = []
    for one, ((least, most), shift, first) in enumerate(zip(windows, shifts, firsts, strict=True)):
        width = ((most - least) >> shift).bit_length()
        octets = first.octets if points else np.zeros((slots, 0), np.uint8)
        outliers = (0, 0, b"")
        if outside is not None and one in listed:
            slot, place = np.nonzero(outside[one])
            outliers = pack_outliers(deltas[one], (slot, place))
        head = pack_head(
            counted,
            bases=(octets.shape[1], first.shift, first.base),
            deltas=(width, shift, least),
            outliers=outliers,
        )
        if width:
            octets = np.concatenate((octets, bits.pack(fields[one] >> np.uint64(shift), width)), axis=1)
        found.append(Packed(head, octets.shape[1], octets.tobytes()))
    return found


def _grid(stack: Integers, counts: NDArray[np.intp], points: int) -> tuple[Integers, Flags | None]:
    """The series of each meter as rows, and which cells of a meter are filled (None: all)."""
    if stack.shape[1] == len(counts) * points:
        return stack.reshape(len(stack), len(counts), points), None
    filled = np.arange(points) < counts[:, None]
    grid = np.zeros((len(stack), *filled.shape), np.int64)
    grid[:, filled] = stack
    return grid, filled


def _windows(deltas: Integers, slots: int, points: int) -> list[tuple[int, int]]:
    """Of each meter the least and the most of the deltas that go into the records; others become outliers."""
    if not deltas.shape[1]:
        return [(0, 0)] * len(deltas)
    extremes = list(zip(deltas.min(1).tolist(), deltas.max(1).tolist(), strict=True))
    every = -(-deltas.shape[1] // LOOKED_AT)
    some = [one for one, (least, most) in enumerate(extremes) if most > least]
    if deltas.shape[1] < 4 or not some:
        return extremes
    ordered = np.sort(deltas[some, ::every], axis=1)
    for one, line in zip(some, ordered, strict=True):
        extremes[one] = _window(extremes[one], line, every, (slots, points))
    return extremes


def _window(
    extremes: tuple[int, int], ordered: Integers, every: int, size: tuple[int, int]
) -> tuple[int, int]:
    """The cheapest window of one meter; `ordered` is one of `every` deltas.

    The search runs only when the extremes need 2 bits more than the middle 96 %, or that needs none.
    """
    least, most = extremes
    trim = max(1, len(ordered) // 50)
    middle = int(ordered[-1 - trim]) - int(ordered[trim])
    if (most - least).bit_length() < (2 + middle.bit_length() if middle else 1):
        return extremes
    slots, points = size
    # How many to leave out at either end: few candidates, close together where it matters.
    limit = min(len(ordered) // 8, OUTLIERS_MAX // 4 // every)
    steps = [step for step in _STEPS if step <= limit]
    low = np.concatenate(([least], ordered[steps])).view(np.uint64)
    high = np.concatenate(([most], ordered[[-1 - step for step in steps]])).view(np.uint64)
    width = np.frexp((high[None, :] - low[:, None]).astype(np.float64))[1]
    beyond = [0, *(step * every + every // 2 for step in steps)]
    outlier_bytes = 1 + (1 << unsigned_code(points)) + (1 << signed_code(least, most))
    cost = slots * (((points - 1) * width + 7) >> 3) + np.add.outer(beyond, beyond) * outlier_bytes
    below, above = divmod(int(np.argmin(cost)), len(beyond))
    return int(low.view(np.int64)[below]), int(high.view(np.int64)[above])


_STEPS = (0, *sorted({int(1.3**power) for power in range(40)}))


def _fields(
    deltas: Integers, filled: Flags | None, windows: list[tuple[int, int]]
) -> tuple[bits.Words, Flags | None]:
    """What the records hold, before the shift; and where the outliers are (None: there are none).

    `windows` with more outliers than a head can list are opened.
    """
    least = np.array([low & _ALL for low, _ in windows], np.uint64)
    span = np.array([high - low for low, high in windows], np.uint64)
    fields = deltas.view(np.uint64) - least[:, None, None]
    outside = fields > span[:, None, None]
    if filled is not None:
        outside &= filled[:, 1:]
    many = np.flatnonzero(np.count_nonzero(outside, axis=(1, 2)) > OUTLIERS_MAX).tolist()
    if many:
        for one in many:
            known = deltas[one] if filled is None else deltas[one][filled[:, 1:]]
            windows[one] = int(known.min()), int(known.max())
        return _fields(deltas, filled, windows)
    if filled is not None:
        fields[:, ~filled[:, 1:]] = 0
    if not outside.any():
        return fields, None
    fields[outside] = 0
    return fields, outside


def _firsts(values: Integers, counts: NDArray[np.intp]) -> list[_First]:
    """A row of `values` for each meter."""
    some = counts > 0
    if some.all():
        base = values.min(1)
        words = values.view(np.uint64) - base.view(np.uint64)[:, None]
    else:
        base = values[:, some].min(1) if some.any() else np.zeros(len(values), np.int64)
        words = np.where(some, values.view(np.uint64) - base.view(np.uint64)[:, None], np.uint64(0))
    shifts = _trailing_zeros(words)
    words = (words >> np.array(shifts, np.uint64)[:, None]).astype("<u8")
    return [_First(row, low, shift) for row, low, shift in zip(words, base.tolist(), shifts, strict=True)]


def _trailing_zeros(words: bits.Words) -> list[int]:
    """Of each row the power of two that divides all its words."""
    either: Sequence[int] = np.bitwise_or.reduce(words, axis=1).tolist()
    return [(one & -one).bit_length() - 1 if one else 0 for one in either]
