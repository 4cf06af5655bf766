"""How the readings of a group become rows of tiles, and readings again.

A span of time (an hour, a day) of a group is: one row with the stamps of each slot, whatever meters they are
of; rows with the versions at these stamps ("lines": meters whose versions never contradict each other share
one); and a row for each meter. A row has records only for the slots it knows; `slots` says which. A meter without
a reading at some stamp of its slot lists the positions it has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers, Volumes
from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles.codec import Block, Ragged, decode_stamps, decode_values, encode_together, encode_values
from storage.tiles.totals import pack_total, pack_totals

Counts = NDArray[np.intp]

SLOT_BITS = 7
SHIFT = 55  # a place is slot << 55 | time: 7 bits of slot, and microseconds until the year 3111
TIME_MASK = (1 << SHIFT) - 1


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one meter of one group: arrays of one length, by slot and then time, each instant once."""

    slot: Integers
    ts: Integers
    ver: Integers
    volume: Volumes

    @property
    def place(self) -> Integers:
        """Slot and time in one number."""
        return place_of(self.slot, self.ts)

    @staticmethod
    def apart(place: Integers) -> tuple[Integers, Integers]:
        """Slot and time of `place`."""
        return place >> SHIFT, place & TIME_MASK

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Series":
        """The chosen ones of these readings."""
        return Series(self.slot[chosen], self.ts[chosen], self.ver[chosen], self.volume[chosen])


def place_of(slot: Integers, ts: Integers) -> Integers:
    """Slot and time in one number."""
    return slot << SHIFT | ts


@dataclass(frozen=True, slots=True)
class TileRow:
    """A row of `tile` or `day_tile` without its group and time."""

    mid: int
    line: int
    slots: bytes
    block: Block
    tot: bytes


def lay_out(meters: Mapping[int, Series]) -> list[TileRow]:
    """The rows that keep these readings (by mid), the stamps first."""
    places = _places(meters)
    union = _union(places.values())
    slot, stamps = Series.apart(union)
    slots, starts, counts = _runs(slot)
    lines = _Lines(len(union))
    # A sorted subset as long as the whole is the whole.
    whole = {mid: lines.add(one.ver, None) for mid, one in meters.items() if len(one.ts) == len(union)}
    rows: dict[int, TileRow] = {}
    for mid, series in meters.items():
        if mid not in whole:
            at = np.searchsorted(union, places[mid])
            line = lines.add(series.ver, at)
            rows[mid] = _meter_row(mid, line, series, _Grid(slots, starts, counts, at))
    volumes = [meters[mid].volume for mid in whole]
    versions = list(lines.filled())
    first, *blocks = encode_together(stamps, [*volumes, *versions], counts, checked=True)
    keys = [*whole.items(), *((-number, STAMPS) for number in range(1, len(versions) + 1))]
    totals = [*pack_totals(stamps, volumes), *[b""] * len(versions)]
    bitmap = bitmap_of(slots)
    for (mid, line), block, tot in zip(keys, blocks, totals, strict=True):
        rows[mid] = TileRow(mid, line, bitmap, block, tot)
    every = (rows[mid] for mid in [*meters, *(-number for number in range(1, len(versions) + 1))])
    return [TileRow(STAMPS, STAMPS, bitmap, first, b""), *every]


def stamps_of(meters: Mapping[int, Series]) -> Integers:
    """The places of all stamps of these readings."""
    return _union(_places(meters).values())


@dataclass(frozen=True, slots=True)
class _Grid:
    """The stamps of each slot: where they start, how many; `at`: which of all a meter has."""

    slots: Integers
    starts: Counts
    counts: Counts
    at: Counts


def _meter_row(mid: int, line: int, series: Series, grid: _Grid) -> TileRow:
    """The row of a meter without a reading at some stamp."""
    slots, starts, counts = _runs(series.slot)
    rank = np.searchsorted(grid.slots, slots)
    marked: dict[int, Integers] = {}
    for index in np.flatnonzero(counts < grid.counts[rank]).tolist():
        at = grid.at[starts[index] : starts[index] + counts[index]]
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


class Span:
    """The stamps and versions of a group in one span of time, decoded once for all its meters.

    Raises DamagedTile when it is made or read.
    """

    def __init__(self, stamps: TileRow, lines: Mapping[int, TileRow]) -> None:
        self._stamps = decode_stamps(stamps.block)
        self._slots = slots_of(stamps.slots)
        self._rows = lines
        self._lines: dict[int, Integers] = {}
        self._starts = np.cumsum(self._stamps.counts) - self._stamps.counts
        if len(self._slots) != len(self._stamps.counts):
            raise DamagedTile("slots and records of a tile differ in number")
        self._slot, self._ts = np.repeat(self._slots, self._stamps.counts), _integers(self._stamps.flat)
        self._nothing = np.zeros(len(self._ts), np.int64)

    def series(self, row: TileRow, *, versions: bool) -> Series:
        """The readings of a meter; without `versions` they are all 0."""
        values, marked = decode_values(row.block)
        slots = slots_of(row.slots)
        if len(slots) != len(values.counts):
            raise DamagedTile("slots and records of a tile differ in number")
        at = self._places(slots, values, marked)
        line = self._line(row.line) if versions else self._nothing
        if at is None:  # with arrays that all such meters share
            return Series(self._slot, self._ts, line, values.flat)
        return Series(np.repeat(slots, values.counts), self._ts[at], line[at], values.flat)

    def _places(self, slots: Integers, values: Ragged, marked: Mapping[int, Integers]) -> Counts | None:
        """Which of the group's stamps the readings have; None: all."""
        if not marked and len(values.flat) == len(self._stamps.flat):
            return None
        rank = np.searchsorted(self._slots, slots)
        if not np.isin(slots, self._slots).all() or (values.counts > self._stamps.counts[rank]).any():
            raise DamagedTile("a tile has readings at stamps nobody wrote")
        within = np.arange(len(values.flat)) - np.repeat(
            np.cumsum(values.counts) - values.counts, values.counts
        )
        for index, positions in marked.items():
            begin = int(values.counts[:index].sum())
            within[begin : begin + len(positions)] = positions
            if positions.max(initial=0) >= self._stamps.counts[rank[index]]:
                raise DamagedTile("a tile has readings at stamps nobody wrote")
        return np.repeat(self._starts[rank], values.counts) + within

    def _line(self, mid: int) -> Integers:
        if mid not in self._lines:
            if mid not in self._rows:
                raise DamagedTile("the versions of a tile are missing")
            found = _integers(decode_values(self._rows[mid].block)[0].flat)
            if len(found) != len(self._stamps.flat):
                raise DamagedTile("versions and stamps of a tile differ in number")
            self._lines[mid] = found
        return self._lines[mid]


@lru_cache(maxsize=1024)  # a group's rows mostly have the same slots
def slots_of(bitmap: bytes) -> Integers:
    """The slots a row has records for, ascending: the first record is the first slot's. Not to be written to."""
    slots = np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little"))
    slots.flags.writeable = False
    return slots


def rank_of(bitmap: bytes, slot: int) -> int | None:
    """Which record is the slot's; None when it has none."""
    bits = int.from_bytes(bitmap, "little")
    return (bits & ((1 << slot) - 1)).bit_count() if bits >> slot & 1 else None


def checked_rank(bitmap: bytes, known: int, slot: int) -> int | None:
    """`rank_of`, where the head knows as many slots; raises DamagedTile: one slot more or less moves all behind it."""
    if int.from_bytes(bitmap, "little").bit_count() != known:
        raise DamagedTile("slots and records of a tile differ in number")
    return rank_of(bitmap, slot)


def bitmap_of(slots: Integers) -> bytes:
    """A bit for each of these slots (ascending), the first slot the lowest bit of the first byte."""
    bits = np.zeros(int(slots[-1]) + 1, np.uint8)
    bits[slots] = 1
    return np.packbits(bits, bitorder="little").tobytes()


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


def _integers(volumes: Volumes) -> Integers:
    return volumes.view(np.int64)
