"""Packs series of int64 into records as `storage.tiles.strides` tells of them: those of several meters in one pass.

What numpy costs a call is paid once, not once a meter, which is most of what an hour of a group takes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.sample import INT64_MAX
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

LOOKED_AT = 1024
GLANCED_AT = 256  # of these, to see whether to look

_ALL = (1 << 64) - 1


class Packed(NamedTuple):
    """The head of a tile, the bytes of a record, and the records."""

    head: bytes
    w: int
    raw: bytes


class _Firsts(NamedTuple):
    """Of each meter: the first values of its series without base and shift, and how many bytes the largest needs."""

    octets: bits.Octets  # by meter, series and byte, of which not all are needed
    sizes: list[int]
    bases: list[int]
    shifts: list[int]


def pack(stack: Integers, counts: NDArray[np.intp]) -> list[Packed]:
    """A row of `stack` for each meter: its series one after the other; `counts` says how long each is."""
    slots, points = len(counts), int(counts.max(initial=0))
    if slots > SLOTS_MAX or points > POINTS_MAX:
        raise ValueError(f"a tile holds {SLOTS_MAX} slots of {POINTS_MAX} points, not {slots} of {points}")
    grid, filled = _grid(stack, counts, points)
    deltas = grid[:, :, 1:] - grid[:, :, :-1]  # wraps
    known = deltas.reshape(len(grid), -1) if filled is None else deltas[:, filled[:, 1:]]
    windows = _windows(known, slots, points)
    fields, outside = _fields(deltas, filled, windows)
    shifts = _trailing_zeros(fields.reshape(len(grid), -1))
    widths = [
        ((most - least) >> shift).bit_length() for (least, most), shift in zip(windows, shifts, strict=True)
    ]
    firsts = _firsts(grid[:, :, 0] if points else np.zeros((len(grid), slots), np.int64), counts)
    records = _records(fields, shifts, widths)
    outliers = _outliers(deltas, outside)
    counted = pack_counts(counts, points)
    found = []
    for one, (least, _) in enumerate(windows):
        size = firsts.sizes[one]
        head = pack_head(
            counted,
            bases=(size, firsts.shifts[one], firsts.bases[one]),
            deltas=(widths[one], shifts[one], least),
            outliers=outliers.get(one, _NO_OUTLIERS),
        )
        octets = firsts.octets[one, :, :size]
        if one in records:
            octets = np.concatenate((octets, records[one]), axis=1)
        found.append(Packed(head, octets.shape[1], octets.tobytes()))
    return found


def _records(fields: bits.Words, shifts: list[int], widths: list[int]) -> dict[int, bits.Octets]:
    """The fields of each meter that has any as rows of bytes; those of one width are packed in one go."""
    by_width: dict[int, list[int]] = {}
    for one, width in enumerate(widths):
        if width:
            by_width.setdefault(width, []).append(one)
    found: dict[int, bits.Octets] = {}
    _, slots, count = fields.shape
    for width, some in by_width.items():
        chosen = fields[some] >> np.array([shifts[one] for one in some], np.uint64)[:, None, None]
        octets = bits.pack(chosen.reshape(-1, count), width).reshape(len(some), slots, -1)
        found |= zip(some, octets, strict=True)
    return found


def _outliers(deltas: Integers, outside: Flags | None) -> dict[int, tuple[int, int, bytes]]:
    """`pack_outliers` of each meter that has some."""
    if outside is None:
        return {}
    _, slots, places = outside.shape
    meter, cell = np.divmod(np.flatnonzero(outside), slots * places)  # in a tenth of the time of np.nonzero
    slot, place = np.divmod(cell, places)
    begins = np.flatnonzero(np.diff(meter, prepend=-1)).tolist()
    return {
        int(meter[begin]): pack_outliers(deltas[meter[begin]], (slot[begin:end], place[begin:end]))
        for begin, end in zip(begins, [*begins[1:], len(meter)], strict=True)
    }


def _grid(stack: Integers, counts: NDArray[np.intp], points: int) -> tuple[Integers, Flags | None]:
    """The series of each meter as rows, and which cells of a meter are filled (None: all)."""
    if stack.shape[1] == len(counts) * points:
        return stack.reshape(len(stack), len(counts), points), None
    filled = np.arange(points) < counts[:, None]
    grid = np.zeros((len(stack), *filled.shape), np.int64)
    grid[:, filled] = stack
    return grid, filled


def _windows(deltas: Integers, slots: int, points: int) -> list[tuple[int, int]]:
    """Of each meter the least and the most of the deltas that go into the records; others become outliers.

    They are searched only where the extremes need 2 bits more than the middle 96 %, or that needs none.
    """
    if not deltas.shape[1]:
        return [(0, 0)] * len(deltas)
    extremes = list(zip(deltas.min(1).tolist(), deltas.max(1).tolist(), strict=True))
    every = -(-deltas.shape[1] // LOOKED_AT)
    some = [one for one, (least, most) in enumerate(extremes) if most > least]
    if deltas.shape[1] >= 4:
        some = _uneven(deltas, extremes, some)
    if deltas.shape[1] < 4 or not some:
        return extremes
    ordered = _ordered(deltas[some, ::every], [extremes[one] for one in some])
    trim = max(1, ordered.shape[1] // 50)
    middles = zip(some, ordered[:, trim].tolist(), ordered[:, -1 - trim].tolist(), strict=True)
    wide = []
    for place, (one, low, high) in enumerate(middles):
        if _is_wide(extremes[one], low, high):
            wide.append(place)
    if wide:
        chosen = [some[place] for place in wide]
        found = _search([extremes[one] for one in chosen], ordered[wide], every, (slots, points))
        for one, window in zip(chosen, found, strict=True):
            extremes[one] = _filled(deltas[one], *window)
    return extremes


def _filled(deltas: Integers, low: int, high: int) -> tuple[int, int]:
    """A window as far as its bits reach, as it was found among some of the deltas: first up, then down."""
    reach = (1 << (high - low).bit_length()) - 1
    above = int(deltas[deltas <= low + reach].max()) if low + reach < INT64_MAX else int(deltas.max())
    bottom = above - reach
    below = int(deltas[deltas >= bottom].min()) if bottom >= -INT64_MAX else int(deltas.min())
    return below, above


def _uneven(deltas: Integers, extremes: list[tuple[int, int]], some: list[int]) -> list[int]:
    """Those of some meters that may be worth a search, by a few of their deltas, as to sort all of them takes long."""
    step = deltas.shape[1] // GLANCED_AT
    if step < 2 or not some:
        return some
    ordered = np.sort(deltas[some, ::step], axis=1)
    trim = ordered.shape[1] // 25  # twice as many as are looked for: few deltas are no true picture
    middles = zip(some, ordered[:, trim].tolist(), ordered[:, -1 - trim].tolist(), strict=True)
    return [one for one, low, high in middles if _is_wide(extremes[one], low, high)]


def _is_wide(extreme: tuple[int, int], low: int, high: int) -> bool:
    """Whether the extremes need 2 bits more than what is between low and high, or that needs none."""
    least, most = extreme
    return (most - least).bit_length() >= (2 + (high - low).bit_length() if high > low else 1)


def _ordered(deltas: Integers, extremes: list[tuple[int, int]]) -> Integers:
    """The deltas of each meter by size. Four bytes are sorted in half the time of eight, where they are enough."""
    fits = [most - least < 1 << 32 for least, most in extremes]
    if not any(fits):
        return np.sort(deltas, axis=1)
    ordered = np.empty_like(deltas)
    least = np.array([least for (least, _), fit in zip(extremes, fits, strict=True) if fit])[:, None]
    ordered[fits] = np.sort((deltas[fits] - least).astype(np.uint32), axis=1) + least
    if not all(fits):
        others = np.logical_not(fits)
        ordered[others] = np.sort(deltas[others], axis=1)
    return ordered


def _search(
    extremes: list[tuple[int, int]], ordered: Integers, every: int, size: tuple[int, int]
) -> list[tuple[int, int]]:
    """The cheapest window of each meter; a row of `ordered` is one of `every` deltas."""
    slots, points = size
    # How many to leave out at either end: few candidates, close together where it matters.
    limit = min(ordered.shape[1] // 8, OUTLIERS_MAX // 4 // every)
    steps = np.array([step for step in _STEPS if step <= limit])
    bounds = np.array(extremes, np.int64)
    low = np.concatenate((bounds[:, :1], ordered[:, steps]), axis=1)
    high = np.concatenate((bounds[:, 1:], ordered[:, -1 - steps]), axis=1)
    spans = high.view(np.uint64)[:, None, :] - low.view(np.uint64)[:, :, None]
    width = np.frexp(spans.astype(np.float64))[1]
    beyond = np.concatenate(([0], steps * every + every // 2))
    place_bytes = 1 + (1 << unsigned_code(points))
    outlier_bytes = np.array([place_bytes + (1 << signed_code(*one)) for one in extremes])
    cost = slots * (((points - 1) * width + 7) >> 3)
    cost = cost + np.add.outer(beyond, beyond) * outlier_bytes[:, None, None]
    below, above = np.divmod(cost.reshape(len(cost), -1).argmin(1), len(beyond))
    every_one = np.arange(len(cost))
    return list(zip(low[every_one, below].tolist(), high[every_one, above].tolist(), strict=True))


_STEPS = (0, *sorted({int(1.3**power) for power in range(40)}))
_NO_OUTLIERS = (0, 0, b"")


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
    np.copyto(fields, np.uint64(0), where=outside)
    return fields, outside


def _firsts(values: Integers, counts: NDArray[np.intp]) -> _Firsts:
    """A row of `values` for each meter."""
    some = counts > 0
    if some.all() and len(some):
        base = values.min(1)
        words = values.view(np.uint64) - base.view(np.uint64)[:, None]
    else:
        base = values[:, some].min(1) if some.any() else np.zeros(len(values), np.int64)
        words = np.where(some, values.view(np.uint64) - base.view(np.uint64)[:, None], np.uint64(0))
    shifts = _trailing_zeros(words)
    words = (words >> np.array(shifts, np.uint64)[:, None]).astype("<u8")
    sizes = [(most.bit_length() + 7) >> 3 for most in words.max(1, initial=0).tolist()]
    return _Firsts(words.view(np.uint8).reshape(*words.shape, 8), sizes, base.tolist(), shifts)


def _trailing_zeros(words: bits.Words) -> list[int]:
    """Of each row the power of two that divides all its words."""
    either: Sequence[int] = np.bitwise_or.reduce(words, axis=1).tolist()
    return [(one & -one).bit_length() - 1 if one else 0 for one in either]
