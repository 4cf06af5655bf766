"""Lays readings out as `storage.tiles.layout` tells of them, those of many spans at once.

What numpy costs a call is paid once so, not once an hour of a group.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from storage.columns import Integers, Volumes
from storage.tables_tiles import STAMPS
from storage.tiles.codec import Block, encode_spans, encode_values
from storage.tiles.layout import Counts, Series, TileRow, bitmap_of
from storage.tiles.sharing import encode_stamps
from storage.tiles.totals import pack_total, pack_totals

VALUES_AT_ONCE = 200_000  # that are encoded together


def lay_out(meters: Mapping[int, Series]) -> list[TileRow]:
    """The rows that keep these readings (by mid), the stamps first."""
    return lay_out_spans([meters])[0]


def lay_out_spans(spans: Sequence[Mapping[int, Series]]) -> list[list[TileRow]]:
    """The same of several spans. Those whose slots have as many stamps each are encoded in one go."""
    plans = [_Plan(meters) for meters in spans]
    alike: dict[bytes, list[_Plan]] = {}
    for plan in plans:
        alike.setdefault(plan.grid.counts.tobytes(), []).append(plan)
    for some in alike.values():
        step = max(1, VALUES_AT_ONCE // sum(map(len, some[0].arrays)))
        for at in range(0, len(some), step):
            together = some[at : at + step]
            counts = together[0].grid.counts
            stamps = encode_stamps([(plan.stamps, plan.grid.slots) for plan in together], counts)
            blocks = encode_spans([(None, plan.arrays) for plan in together], counts, checked=True)
            totals = pack_totals([(plan.stamps, plan.volumes) for plan in together])
            for plan, first, own, tots in zip(together, stamps, blocks, totals, strict=True):
                plan.take([first, *own], tots)
    return [plan.rows() for plan in plans]


def stamps_of(meters: Mapping[int, Series]) -> Integers:
    """The places of all stamps of these readings."""
    return _union(_places(meters).values())


class _Plan:
    """What is to be encoded of one span: `stamps`, and `arrays` of one value for each of them.

    `volumes` are those of meters with a reading at every stamp; the versions follow them in `arrays`.
    """

    def __init__(self, meters: Mapping[int, Series]) -> None:
        self._meters = meters
        self._rows: dict[int, TileRow] = {}
        places = _places(meters)
        union = _union(places.values())
        slot, self.stamps = Series.apart(union)
        self.grid = _Grid(*_runs(slot))
        lines = _Lines(len(union))
        # A sorted subset as long as the whole is the whole.
        self._whole = {
            mid: lines.add(one.ver, None) for mid, one in meters.items() if len(one.ts) == len(union)
        }
        for mid, series in meters.items():
            if mid not in self._whole:
                at = np.searchsorted(union, places[mid])
                line = lines.add(series.ver, at)
                self._rows[mid] = _meter_row(mid, line, series, self.grid, at)
        self.volumes: list[Volumes] = [meters[mid].volume for mid in self._whole]
        versions = list(lines.filled())
        self._lines = [-number for number in range(1, len(versions) + 1)]
        self.arrays: list[Volumes] = [*self.volumes, *versions]

    def take(self, blocks: Sequence[Block], totals: Sequence[bytes]) -> None:
        """Puts what was encoded into rows."""
        keys = [(STAMPS, STAMPS), *self._whole.items(), *((line, STAMPS) for line in self._lines)]
        bitmap = bitmap_of(self.grid.slots)
        tots = [b"", *totals, *[b""] * len(self._lines)]
        for (mid, line), block, tot in zip(keys, blocks, tots, strict=True):
            self._rows[mid] = TileRow(mid, line, bitmap, block, tot)

    def rows(self) -> list[TileRow]:
        """All rows, the stamps first."""
        return [self._rows[mid] for mid in (STAMPS, *self._meters, *self._lines)]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The stamps of each slot: where they start, how many."""

    slots: Integers
    starts: Counts
    counts: Counts


def _meter_row(mid: int, line: int, series: Series, grid: _Grid, own: Counts) -> TileRow:
    """The row of a meter without a reading at some stamp; `own` are the stamps it has, of all."""
    slots, starts, counts = _runs(series.slot)
    rank = np.searchsorted(grid.slots, slots)
    marked: dict[int, Integers] = {}
    for index in np.flatnonzero(counts < grid.counts[rank]).tolist():
        at = own[starts[index] : starts[index] + counts[index]]
        marked[index] = (at - grid.starts[rank[index]]).astype(np.int64)
    block = encode_values(series.volume, counts, marked, checked=True)
    return TileRow(mid, line, bitmap_of(slots), block, pack_total(series.ts, series.volume))


class _Lines:
    """Versions at the stamps of a group; meters whose versions contradict each other need lines of their own."""

    def __init__(self, stamps: int) -> None:
        self._stamps = stamps
        self._lines: list[Integers] = []  # -1: no reading says

    def add(self, versions: Integers, at: Counts | None) -> int:
        """The `mid` of the line that has these versions at these stamps."""
        aligned = versions
        if at is not None:
            aligned = np.full(self._stamps, -1, np.int64)
            aligned[at] = versions
        for number, line in enumerate(self._lines, start=1):
            if line is aligned or np.array_equal(line, aligned):
                return -number
            known = (line >= 0) & (aligned >= 0)
            if np.array_equal(line[known], aligned[known]):
                self._lines[number - 1] = np.where(aligned >= 0, aligned, line)
                return -number
        self._lines.append(aligned)
        return -len(self._lines)

    def filled(self) -> Iterable[Integers]:
        """The lines, with a neighbour's version where no reading says."""
        for line in self._lines:
            known = np.flatnonzero(line >= 0)
            if len(known) == len(line):
                yield line
            else:
                before = np.searchsorted(known, np.arange(len(line)), side="right") - 1
                yield line[known[np.maximum(before, 0)]]


def _places(meters: Mapping[int, Series]) -> dict[int, Integers]:
    """The places of each meter; readings that came together share one array."""
    known: dict[tuple[int, int], Integers] = {}
    found = {}
    for mid, series in meters.items():
        like = (id(series.slot), id(series.ts))
        if like not in known:
            known[like] = series.place
        found[mid] = known[like]
    return found


def _union(places: Iterable[Integers]) -> Integers:
    different: list[Integers] = []
    for one in places:
        if not any(one is other or np.array_equal(one, other) for other in different):
            different.append(one)
    return different[0] if len(different) == 1 else np.unique(np.concatenate(different))


def _runs(slot: Integers) -> tuple[Integers, Counts, Counts]:
    """The different slots of an ascending array, where each starts, and how often it stands there."""
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    return slot[starts], starts, np.diff(starts, append=len(slot))
