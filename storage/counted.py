"""Reads what was counted when it was sealed: totals of groups, and hourly figures of their resources."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection, Row, Table, func, select

from storage.columns import Figures, Integers, Volumes
from storage.errors import DamagedTile
from storage.names import Names
from storage.tables_tiles import STAMPS, day_roll, day_tile, tile
from storage.tiled import FEW, SPANS, Piece, where_damaged
from storage.tiles import rolls
from storage.tiles.codec import Block
from storage.tiles.layout import rank_of, slots_of
from storage.tiles.totals import SIZE, WORD, is_whole
from storage.watermarks import DAY, HOUR

LOW = (1 << WORD) - 1
TIMES = frozenset((rolls.COUNT, rolls.FIRST, rolls.LAST))
VALUES = frozenset((rolls.LEAST, rolls.RANGE, rolls.EXCESS, rolls.HIGH, rolls.LOW, rolls.TOTAL))

Rows = Sequence[Any]  # rows of integers and bytes
GroupDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An hour or (part of) a day of a meter of a group that has to be read reading by reading."""

    table: Table
    gid: int
    mid: int
    start: int
    end: int


def totals(
    connection: Connection,
    names: Names,
    table: Table,
    gids: Iterable[int],
    span: Piece,
    dirty: frozenset[GroupDay],
) -> Iterator[Figures | Uncounted]:
    """One entry per group, meter and tile (an hour, a day) that begins in the span; rid 0.

    Tiles whose day is `dirty` and those without a total come as `Uncounted`. The span's group does not matter.
    """
    chosen = select(table.c.gid, table.c.mid, table.c.start, table.c.tot).where(
        table.c.gid.in_(sorted(gids)),
        table.c.mid.in_(sorted(span.mids or ())),
        table.c.start >= span.start,
        table.c.start < span.end,
    )
    rows = connection.execute(chosen.order_by(table.c.gid, table.c.mid, table.c.start)).all()
    source = tile if table is tile else day_tile
    for (gid, mid), some in groupby(rows, key=lambda row: (int(row.gid), int(row.mid))):
        counted: list[Any] = []
        for row in some:
            if (gid, row.start - row.start % DAY) in dirty or len(row.tot) != SIZE:
                yield Uncounted(source, gid, mid, row.start, row.start + SPANS[source])
            elif is_whole(row.tot):
                counted.append(row)
            else:
                error = DamagedTile("the sums of a tile fail their checksum")
                raise where_damaged(table, gid, mid, row.start, error)
        if counted:
            yield _totals(gid, mid, counted, real=names.meter(mid).real)


def hourly(
    connection: Connection, names: Names, piece: Piece, dirty: frozenset[GroupDay], *, spread: bool
) -> Iterator[Figures | Uncounted]:
    """One entry per resource and hour of whole hours that were compacted.

    `piece.start` and `piece.end` are on the hour. Days that are `dirty` or lack a needed column come as `Uncounted`.
    """
    if piece.start >= piece.end:
        return
    few = piece.slots is not None and len(piece.slots) <= FEW
    columns = [getattr(day_roll.c, name) for name in ("start", "mid", "slots", "w", "head")]
    if not few:
        columns.append(day_roll.c.raw)
    first_day = piece.start - piece.start % DAY
    chosen = (
        day_roll.c.gid == piece.gid,
        day_roll.c.mid.in_([STAMPS, *sorted(piece.mids or ())]),
        day_roll.c.start >= first_day,
        day_roll.c.start < piece.end,
    )
    rows = connection.execute(select(*columns).where(*chosen).order_by(day_roll.c.start)).all()
    records = _records(connection, piece, chosen, rows) if few else None
    counted: dict[tuple[int, bool], list[Figures]] = {}
    for start, some in groupby(rows, key=lambda row: int(row.start)):
        if (piece.gid, start) in dirty:
            yield from (_uncounted(piece, row.mid, start) for row in some if row.mid != STAMPS)
            continue
        for one in _of_day(connection, names, piece, list(some), records=records, spread=spread):
            if isinstance(one, Figures):
                counted.setdefault((one.mid, one.spread is None), []).append(one)
            else:
                yield one
    yield from map(_joined, counted.values())


def _joined(days: Sequence[Figures]) -> Figures:
    """Figures of one meter of a group, put together."""
    columns = {
        name: np.concatenate([getattr(day, name) for day in days])
        for name in ("rid", "start", "count", "first", "last", "least", "most", "high", "low")
    }
    spreads = [day.spread for day in days if day.spread is not None]
    return Figures(days[0].gid, days[0].mid, **columns, spread=np.concatenate(spreads) if spreads else None)


def _uncounted(piece: Piece, mid: int, day: int) -> Uncounted:
    return Uncounted(day_tile, piece.gid, mid, max(day, piece.start), min(day + DAY, piece.end))


def _totals(gid: int, mid: int, rows: Rows, *, real: bool) -> Figures:
    table = np.frombuffer(b"".join(row.tot for row in rows), "<i8").reshape(len(rows), -1)
    count, first, last = (table[:, column].astype(np.int64) for column in range(3))
    least, most, high = (_numbers(table[:, column], real=real) for column in range(3, 6))
    start = np.array([row.start for row in rows], np.int64)
    nobody = np.zeros(len(rows), np.int64)
    low = table[:, 6].astype(np.int64)
    return Figures(gid, mid, nobody, start, count, first, last, least, most, high, low)


def _numbers(column: Integers, *, real: bool) -> Volumes:
    integers = column.astype(np.int64)
    return integers.view(np.float64) if real else integers


_Records = Mapping[tuple[int, int, int], bytes]  # by start, mid and rank


def _records(connection: Connection, piece: Piece, chosen: Sequence[Any], rows: Rows) -> _Records:
    ranks = {rank_of(row.slots, slot) for row in rows for slot in piece.slots or ()} - {None}
    found = {}
    for rank in ranks:
        record = func.substr(day_roll.c.raw, 1 + cast("int", rank) * day_roll.c.w, day_roll.c.w)
        statement = select(day_roll.c.start, day_roll.c.mid, record).where(*chosen)
        for start, mid, data in connection.execute(statement):
            found[(start, mid, cast("int", rank))] = bytes(data)
    return found


def _of_day(
    connection: Connection,
    names: Names,
    piece: Piece,
    rows: Rows,
    *,
    records: _Records | None,
    spread: bool,
) -> Iterator[Figures | Uncounted]:
    by_mid = {row.mid: row for row in rows}
    stamps = by_mid.pop(STAMPS, None)
    wanted = TIMES | VALUES | ({rolls.SPREAD} if spread else set())
    shared: tuple[Integers, dict[int, Volumes]] | None = None
    for mid, row in by_mid.items():
        try:
            slots, found = _grids(piece, row, records, wanted)
            if rolls.COUNT not in found and stamps is not None:
                shared = shared or _grids(piece, stamps, records, TIMES)
                found |= _shared(slots, *shared)
        except DamagedTile as error:
            raise where_damaged(day_roll, piece.gid, mid, row.start, error) from error
        if not len(slots):
            continue
        if _is_counted(found, real=names.meter(mid).real):
            rid = names.rids(connection, piece.gid, slots)
            yield from _figures(piece, mid, row.start, np.repeat(rid, rolls.HOURS), found)
        else:
            yield _uncounted(piece, mid, row.start)


def _grids(
    piece: Piece, row: Row[Any], records: _Records | None, wanted: frozenset[int]
) -> tuple[Integers, dict[int, Volumes]]:
    """The slots in question that a row has, and the wanted columns of their hours."""
    slots = slots_of(row.slots)
    if records is None:
        found = rolls.decode_roll(Block(row.w, row.head, row.raw), wanted)
        if any(len(column) != len(slots) * rolls.HOURS for column in found.values()):
            raise DamagedTile("slots and records of hourly figures differ in number")
        if piece.slots is None:
            return slots, found
        chosen = np.isin(slots, sorted(piece.slots))
        cells = np.repeat(chosen, rolls.HOURS)
        return slots[chosen], {number: column[cells] for number, column in found.items()}
    block = Block(row.w, row.head, b"")
    parts: list[dict[int, Volumes]] = []
    some = [slot for slot in sorted(piece.slots or ()) if rank_of(row.slots, slot) is not None]
    for slot in some:
        rank = cast("int", rank_of(row.slots, slot))
        parts.append(rolls.decode_roll_of(block, records[(row.start, row.mid, rank)], rank, wanted))
    joined = {
        number: np.concatenate([part[number] for part in parts]) for number in (parts[0] if parts else {})
    }
    return np.array(some, np.int64), joined


def _shared(slots: Integers, all_slots: Integers, times: Mapping[int, Volumes]) -> dict[int, Volumes]:
    """Counts and times of these slots out of those of all slots of the group."""
    if len(slots) == len(all_slots):
        return dict(times)
    cells = np.repeat(np.isin(all_slots, slots), rolls.HOURS)
    return {number: column[cells] for number, column in times.items()}


def _is_counted(found: Mapping[int, Volumes], *, real: bool) -> bool:
    total = rolls.TOTAL in found if real else (rolls.EXCESS in found or rolls.HIGH in found)
    return total and found.keys() >= TIMES


def _figures(
    piece: Piece, mid: int, day: int, rid: Integers, found: Mapping[int, Volumes]
) -> Iterator[Figures]:
    begin = np.tile(day + np.arange(rolls.HOURS) * HOUR, len(rid) // rolls.HOURS)
    count = cast("Integers", found[rolls.COUNT])
    chosen = (count > 0) & (begin >= piece.start) & (begin < piece.end)
    if not chosen.any():
        return
    some = {number: column[chosen] for number, column in found.items()}
    count, begin = count[chosen], begin[chosen]
    least = some[rolls.LEAST]
    if rolls.TOTAL in some:
        most, high, low = some[rolls.RANGE], some[rolls.TOTAL], np.zeros_like(count)
    else:
        most = least + some[rolls.RANGE]
        high, low = _integer_sums(count, cast("Integers", least), cast("dict[int, Integers]", some))
    yield Figures(
        piece.gid,
        mid,
        rid[chosen],
        begin,
        count,
        begin + cast("Integers", some[rolls.FIRST]),
        begin + cast("Integers", some[rolls.LAST]),
        least,
        most,
        high,
        low,
        some.get(rolls.SPREAD),  # type: ignore[arg-type]  # spreads are floats
    )


def _integer_sums(
    count: Integers, least: Integers, found: Mapping[int, Integers]
) -> tuple[Integers, Integers]:
    """count * least and what exceeds it, in two words."""
    if rolls.EXCESS in found:
        high, low = found[rolls.EXCESS] >> WORD, found[rolls.EXCESS] & LOW
    else:
        high, low = found[rolls.HIGH], found[rolls.LOW]
    low = low + count * (least & LOW)
    return high + count * (least >> WORD) + (low >> WORD), low & LOW
