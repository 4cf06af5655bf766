"""Each reading once within a batch: the first of a resource, meter and time wins."""

from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from storage.columns import Integers
from storage.ingest.batch import (
    Polled,
    SampleBatch,
    chosen_polled,
    integers,
    join_polled,
    spread,
    starts,
    widths_of,
)
from storage.ingest.keys import volume_of

MAX_METERS_A_ROW = 400  # 8 bytes each within the 4000 of a row

_Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]


def distinct(batch: SampleBatch, rid: Integers) -> tuple[SampleBatch, int]:
    """The batch with no reading twice and no row too wide, and how many readings contradicted an earlier one.

    `rid` names the resource of each row: two entries of `batch.resources` may be one resource.
    """
    doubtful = _may_repeat(batch, rid) | _is_too_wide(batch)
    if not doubtful.any():
        return batch, 0
    rework = _Rework(batch)
    width = widths_of(batch.shapes)[batch.polled.shape]
    first = starts(width)
    for row in np.flatnonzero(doubtful).tolist():
        rework.add(row, int(rid[row]), int(first[row]), int(width[row]))
    kept = ~doubtful
    polled = batch.polled
    clean = chosen_polled(polled, kept, polled.readings[spread(first[kept], width[kept])])
    reworked = rework.polled()
    merged = replace(batch, shapes=rework.shapes, polled=join_polled([clean, reworked]))
    return merged, rework.unlike


def _may_repeat(batch: SampleBatch, rid: Integers) -> _Bools:
    """Rows of which another one of the same resource and time may have a reading, too."""
    polled = batch.polled
    alike, overlapping = _kinds_of_shapes(batch)
    again = _has_its_like(alike[polled.shape], polled.ts, rid)
    overlaps = overlapping[polled.shape]
    if overlaps.any():
        again |= overlaps & _has_its_like(polled.ts, rid)
    return again


def _has_its_like(*keys: Integers) -> _Bools:
    """Entries whose keys, taken together, are those of another entry."""
    order = np.lexsort(keys)
    same = np.all([np.diff(key[order]) == 0 for key in keys], axis=0)
    alike = np.zeros(len(order), np.bool_)
    alike[order[1:]] |= same
    alike[order[:-1]] |= same
    return alike


def _kinds_of_shapes(batch: SampleBatch) -> tuple[Integers, _Bools]:
    """Of each shape a number that shapes of the same kinds share, and whether another number has one of its kinds."""
    kinds = [(meter.name, meter.type, meter.unit) for meter in batch.meters]
    numbers: dict[tuple[tuple[str, str, str], ...], int] = {}
    alike = [
        numbers.setdefault(tuple(sorted(kinds[meter] for meter in shape)), len(numbers))
        for shape in batch.shapes
    ]
    holders: dict[tuple[str, str, str], list[int]] = {}
    for of_shape, number in numbers.items():
        for kind in of_shape:
            holders.setdefault(kind, []).append(number)
    overlapping = np.zeros(len(numbers), np.bool_)
    for places in holders.values():
        overlapping[places] |= len(places) > 1  # also of a shape that has a kind twice
    found = integers(alike)
    return found, overlapping[found]


def _is_too_wide(batch: SampleBatch) -> _Bools:
    is_wide: _Bools = (widths_of(batch.shapes) > MAX_METERS_A_ROW)[batch.polled.shape]
    return is_wide


@dataclass(slots=True)
class _Rework:
    """Takes rows apart in their order of arrival and puts what is new in them together again."""

    batch: SampleBatch
    unlike: int = 0
    shapes: list[tuple[int, ...]] = field(init=False)
    _places: dict[tuple[int, ...], int] = field(init=False)
    _seen: dict[tuple[int, int, str, str, str], int | float] = field(default_factory=dict)
    _rows: dict[tuple[int, int, int, int], dict[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shapes = list(self.batch.shapes)
        self._places = {shape: place for place, shape in enumerate(self.shapes)}

    def add(self, row: int, rid: int, first: int, width: int) -> None:
        polled, meters = self.batch.polled, self.batch.meters
        ts = int(polled.ts[row])
        where = (int(polled.resource[row]), rid, int(polled.version[row]), ts)
        shape = self.batch.shapes[int(polled.shape[row])]
        for meter, bits in zip(shape, polled.readings[first : first + width].tolist(), strict=True):
            kind = meters[meter]
            volume = volume_of(bits, real=kind.real)
            name = (rid, ts, kind.name, kind.type, kind.unit)
            if name not in self._seen:
                self._seen[name] = volume
                self._rows.setdefault(where, {})[meter] = bits
            else:
                self.unlike += self._seen[name] != volume

    def polled(self) -> Polled:
        places, readings = [], []
        for (resource, _, version, ts), row in self._rows.items():
            entries = iter(sorted(row.items()))
            while some := list(islice(entries, MAX_METERS_A_ROW)):
                places.append((resource, version, self._place(tuple(meter for meter, _ in some)), ts))
                readings += [bits for _, bits in some]
        rows = integers(places).reshape(-1, 4).T
        return Polled(rows[0], rows[1], rows[2], rows[3], integers(readings))

    def _place(self, shape: tuple[int, ...]) -> int:
        place = self._places.setdefault(shape, len(self.shapes))
        if place == len(self.shapes):
            self.shapes.append(shape)
        return place
