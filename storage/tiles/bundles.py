"""Rows of a group that a resource is read from together: tiles of a meter and their stamps, or days of hourly figures.

What their heads say is worked out once for all resources of the group, and kept as long as the same heads come.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from struct import Struct, error
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from storage.columns import Integers
from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles import bits, heads, records, rolls, sharing, sums
from storage.tiles.codec import Opened, positions_of
from storage.tiles.heads import SLOTS_MAX, missing_of
from storage.tiles.layout import slots_of
from storage.tiles.records import Fields, Plan

NOBODY: Final = 255  # no rank
KEPT, SHORT = 128, 1 << 15  # bundles that are kept, and bytes of the heads of the largest of them
CELLS: Final = 1 << 13  # values of the largest bundle whose fields are kept: 0.3 MB

ROW = Struct(
    ">iqiii"
)  # before a row's slots and head: meter, beginning, bytes of a record, of the slots, of the head


class Points(NamedTuple):
    """How many values a record has, and at which stamps; None: all."""

    number: int
    positions: Sequence[int] | None


class Row(NamedTuple):
    """A row without its records."""

    mid: int
    start: int
    w: int
    slots: bytes
    head: bytes


class _Row(NamedTuple):
    """A row that was looked into: `ranks` has a number for each slot. `tile` is None for a day of hourly figures."""

    row: Row
    head: bytes
    ranks: bits.Octets
    plan: Plan
    tile: Opened | None


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Some rows, in the order they were packed in; `ranks` has a line for each slot, with a number for each row.

    `chosen` are those that are read: of `meters` by beginning, then as many of stamps, if these have some each.
    `plans` are theirs. `is_even`: all slots have equally many readings in all of these.
    """

    rows: Sequence[_Row]
    ranks: bits.Octets
    split: Struct
    meters: Sequence[int]
    chosen: Sequence[int]
    plans: Sequence[Plan]
    starts: Sequence[int]
    is_even: bool
    fields: Fields | None

    @property
    def has_stamps(self) -> bool:
        """Whether each row of the meter is followed by one of stamps."""
        return len(self.chosen) > len(self.meters)


class Records(NamedTuple):
    """A resource's records in a bundle: for each that was chosen as many rows of `grid` as it has columns."""

    bundle: Bundle
    slot: int
    grid: Integers

    def points(self) -> list[Points]:
        """Of each record. Raises DamagedTile."""
        return [_points(self.bundle.rows[number], self.slot) for number in self.bundle.chosen]


def packed(rows: Iterable[Row]) -> bytes:
    """Rows one after the other, as `opened` takes them and statements of PostgreSQL give them."""
    return b"".join(
        [ROW.pack(mid, start, w, len(slots), len(head)) + slots + head for mid, start, w, slots, head in rows]
    )


def opened(rows: bytes, *, are_days: bool) -> Bundle:
    """The bundle of these rows, of which there is one at least. Raises DamagedTile."""
    return (_kept if len(rows) <= SHORT else _opened)(rows, are_days)


def ranks_of(bundle: Bundle, slot: int) -> list[int]:
    """Which record in each row is the slot's; NOBODY: none."""
    return bundle.ranks[slot].tolist() if slot < SLOTS_MAX else [NOBODY] * len(bundle.rows)


def read(bundle: Bundle, slot: int, ranks: Sequence[int], raw: bytes) -> Records:
    """The slot's record of each row, one after the other in `raw`; `ranks` are those of the slot.

    There is a row of the meter. Raises DamagedTile.
    """
    if len(raw) != bundle.split.size or NOBODY in ranks:
        raise DamagedTile("records are missing")
    parts = bundle.split.unpack(raw)
    if [found & sums.LOW for found in map(crc32, parts[::2], ranks)] != [*parts[1::2]]:
        raise DamagedTile("a record fails its checksum")
    fields = bundle.fields or _fields(bundle.rows, bundle.chosen)
    return Records(bundle, slot, records.unpacked(fields, raw, ranks))


def _opened(packed_rows: bytes, are_days: bool) -> Bundle:
    rows = [_looked_into(row, are_days=are_days) for row in _rows(packed_rows)]
    meters = [number for number, row in enumerate(rows) if row.row.mid != STAMPS]
    meters.sort(key=lambda number: rows[number].row.start)
    stamps = {row.row.start: number for number, row in enumerate(rows) if row.row.mid == STAMPS}
    beside = [stamps[rows[number].row.start] for number in meters if rows[number].row.start in stamps]
    chosen = [*meters, *(beside if len(beside) == len(meters) else ())]
    cells = sum(len(rows[number].plan.kinds) * rows[number].plan.points for number in chosen)
    alike = {_points_of_all(rows[number]) for number in chosen}
    return Bundle(
        rows=rows,
        ranks=np.stack([row.ranks for row in rows], axis=1),
        split=Struct("<" + "".join([f"{row.plan.size}sH" for row in rows])),
        meters=meters,
        chosen=chosen,
        plans=[rows[number].plan for number in chosen],
        starts=[rows[number].row.start for number in meters],
        is_even=len(alike) == 1 and None not in alike,
        fields=_fields(rows, chosen) if chosen and cells <= CELLS else None,
    )


_kept = lru_cache(KEPT)(_opened)


def _rows(packed_rows: bytes) -> Iterable[Row]:
    at = 0
    while at < len(packed_rows):
        try:
            mid, start, w, slots_size, head_size = ROW.unpack_from(packed_rows, at)
        except error as cause:
            raise DamagedTile("rows are cut off") from cause
        head_at = at + ROW.size + slots_size
        yield Row(
            mid, start, w, packed_rows[at + ROW.size : head_at], packed_rows[head_at : head_at + head_size]
        )
        at = head_at + head_size


def _looked_into(row: Row, *, are_days: bool) -> _Row:
    own, ranks = _ranks(row, rolls.slots_in(row.head) if are_days else heads.slots_in(row.head))
    if are_days:
        tile, plan = None, records.plan_of_roll(own, row.w)
    else:
        tile, plan = records.plan_of_tile(own, row.w, is_stamps=row.mid == STAMPS)
    if ranks[ranks != NOBODY].max(initial=0) >= plan.slots:
        raise DamagedTile("slots and records of a row differ in number")
    return _Row(row, own, ranks, plan, tile)


def _ranks(row: Row, known: int) -> tuple[bytes, bits.Octets]:
    """The head of the records themselves, and which record each slot has."""
    ranks = np.full(SLOTS_MAX, NOBODY, np.uint8)
    if sharing.is_shared(row.head):
        own, numbers = sharing.numbered(row.slots, row.head)
        found = np.frombuffer(numbers, np.uint8)
        if len(found) > SLOTS_MAX:
            raise DamagedTile("slots and records of a row differ in number")
        ranks[: len(found)] = found - 1  # of none: NOBODY
        return own, ranks
    slots = slots_of(row.slots)
    if len(slots) != known or slots.max(initial=0) >= SLOTS_MAX:
        raise DamagedTile("slots and records of a row differ in number")
    ranks[slots] = np.arange(len(slots))
    return row.head, ranks


def _fields(rows: Sequence[_Row], chosen: Sequence[int]) -> Fields:
    begins = [0, *accumulate(row.row.w for row in rows)]
    plans = [rows[number].plan for number in chosen]
    return records.fields_of(plans, chosen, [begins[number] for number in chosen])


def _points_of_all(row: _Row) -> int | None:
    """How many values every slot has; None if that differs, or some have none at some stamps."""
    tile = row.tile
    if tile is not None and (tile.layout.count_width or tile.positions is not None):
        return None
    return row.plan.points or None


def _points(row: _Row, slot: int) -> Points:
    if row.tile is None:
        return Points(row.plan.points, None)
    rank = int(row.ranks[slot])
    count = row.plan.points - missing_of(row.head, row.tile.layout, rank)
    positions = positions_of(row.tile, row.head, rank)
    if count < 0 or (positions is not None and len(positions) != count):
        raise DamagedTile("positions and readings of a tile differ in number")
    return Points(count, positions)
