"""How the readings of a group stand in rows of tiles; `storage.tiles.plans` lays them out.

A span of time (an hour, a day) of a group is: one row with the stamps of each slot, whatever meters they are
of; rows with the versions at these stamps ("lines": meters whose versions never contradict each other share
one); and a row for each meter. A row has records only for the slots it knows; `slots` says which. A meter without
a reading at some stamp of its slot lists the positions it has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import sharing
from storage.tiles.codec import Block, Ragged, decode_values

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


class Span:
    """The stamps and versions of a group in one span of time, decoded once for all its meters.

    Raises DamagedTile when it is made or read.
    """

    def __init__(self, stamps: TileRow, lines: Mapping[int, TileRow]) -> None:
        self._stamps = sharing.decode_stamps(stamps.slots, stamps.block)
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


def place_in(
    bitmap: bytes, head: bytes, slot: int, slots_in: Callable[[bytes], int]
) -> tuple[bytes, int | None]:
    """The head of a slot's record, and which record it is; None when it has none. Raises DamagedTile.

    `slots_in` tells how many slots a head knows.
    """
    if sharing.is_shared(head):
        return sharing.single(bitmap, head, slot)
    return head, checked_rank(bitmap, slots_in(head), slot)


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


def _integers(volumes: Volumes) -> Integers:
    return volumes.view(np.int64)
