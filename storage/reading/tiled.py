"""Reads what is sealed: the readings of one group out of its tiles, one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Table, and_, func, or_, select

from storage.errors import DamagedTile
from storage.sample import from_microseconds
from storage.tables_tiles import STAMPS, day_tile, tile
from storage.tiles.codec import Block, decode_stamps_of, decode_values_of
from storage.tiles.heads import slots_in
from storage.tiles.layout import Series, Span, TileRow, checked_rank, place_in
from storage.tiles.sharing import Whole, whole
from storage.watermarks import BLOCK, DAY

# No tile goes beyond one of these, which begin at multiples of their length.
SPANS = {tile: BLOCK, day_tile: DAY}
FEW = 4  # resources of a group that are read record by record
DAYS_AT_ONCE = 64  # day tiles of one meter decoded from one answer

Rows = Sequence[Any]  # rows of integers and bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """What to read of one group: meters (None: all), slots (None: all), start <= time < end."""

    gid: int
    mids: frozenset[int] | None
    slots: frozenset[int] | None
    start: int
    end: int
    versions: bool = True


def sealed_series(connection: Connection, table: Table, piece: Piece) -> Iterator[tuple[int, int, Series]]:
    """Readings in `tile` or `day_tile`: beginning of the tile, meter, and its readings by slot and time.

    Raises DamagedTile, which names the tile.
    """
    few = piece.slots is not None and len(piece.slots) <= FEW
    span = SPANS[table]
    for begin, end in stretches(connection, table, piece):
        rows = connection.execute(_statement(table, piece, begin, end, raw=not few)).all()
        records = _records(connection, table, piece, rows) if few else None
        for start, some in groupby(rows, key=lambda row: int(row.start)):
            for mid, series in _of_span(table, piece, list(some), records):
                chosen = within(piece, start, start + span, series)
                if len(chosen.ts):
                    yield start, mid, chosen


def where_damaged(table: Table, gid: int, mid: int, start: int, error: DamagedTile) -> DamagedTile:
    """The error that says which tile it is."""
    moment = from_microseconds(start).isoformat()
    return DamagedTile(f"{table.name} of group {gid}, meter number {mid}, {moment}: {error}")


def located(
    where: tuple[Table, int, int, int],
    bitmap: bytes,
    head: bytes,
    slot: int,
    *,
    slots_in: Callable[[bytes], int] = slots_in,
) -> tuple[bytes, int | None]:
    """As `place_in`, of a tile (table, group, mid, beginning); raises DamagedTile naming it."""
    try:
        return place_in(bitmap, head, slot, slots_in)
    except DamagedTile as error:
        raise where_damaged(*where, error) from error


def unshared(where: tuple[Table, int, int, int], bitmap: bytes, block: Block) -> Whole:
    """As `sharing.whole`, of a tile (table, group, mid, beginning); raises DamagedTile naming it."""
    try:
        return whole(bitmap, block)
    except DamagedTile as error:
        raise where_damaged(*where, error) from error


def stretches(connection: Connection, table: Table, piece: Piece) -> Iterator[tuple[int, int]]:
    """Which times to ask for at once, so that memory stays small."""
    span = SPANS[table]
    begin = max(piece.start - piece.start % span, 0)
    meters = len(piece.mids) if piece.mids is not None else 16
    step = max(1, DAYS_AT_ONCE // meters) * DAY
    if piece.end - begin > step:
        extent = select(func.min(table.c.start), func.max(table.c.start)).where(
            table.c.gid == piece.gid, table.c.mid == STAMPS
        )
        first, last = connection.execute(extent).one()
        if first is None:
            return
        begin, end = max(begin, first - first % span), min(piece.end, last + span)
    else:
        end = piece.end
    while begin < end:
        yield begin, min(begin + step, end)
        begin += step


def _statement(table: Table, piece: Piece, begin: int, end: int, *, raw: bool) -> Select[Any]:
    columns = [table.c.start, table.c.mid, table.c.line, table.c.slots, table.c.w, table.c.head]
    if raw:
        columns.append(table.c.raw)
    chosen = [table.c.gid == piece.gid, table.c.start >= begin, table.c.start < end]
    if piece.mids is not None:
        meters = table.c.mid.in_([STAMPS, *sorted(piece.mids)])
        chosen.append(or_(meters, table.c.mid < STAMPS) if piece.versions else meters)
    return select(*columns).where(and_(*chosen)).order_by(table.c.start, table.c.mid)


_Records = Mapping[tuple[int, int, int], bytes]  # by start, mid and rank


def _records(connection: Connection, table: Table, piece: Piece, rows: Rows) -> _Records:
    """Only the records of the wanted slots, out of rows that can be large."""
    wanted: dict[tuple[bool, int], set[int]] = {}
    for row in rows:
        for slot in piece.slots or ():
            with suppress(DamagedTile):  # whoever needs the record says so
                _, rank = place_in(row.slots, row.head, slot, slots_in)
                if rank is not None:
                    wanted.setdefault((row.mid == STAMPS, rank), set()).add(row.start)
    found: dict[tuple[int, int, int], bytes] = {}
    mids = {row.mid for row in rows}
    for (is_stamps, rank), starts in wanted.items():
        record = func.substr(table.c.raw, 1 + rank * table.c.w, table.c.w)
        statement = select(table.c.start, table.c.mid, record).where(
            table.c.gid == piece.gid,
            table.c.mid.in_([STAMPS] if is_stamps else sorted(mids - {STAMPS})),
            table.c.start >= min(starts),
            table.c.start <= max(starts),
        )
        for start, mid, data in connection.execute(statement):
            found[(start, mid, rank)] = bytes(data or b"")  # beyond the end of a damaged row there is NULL
    return found


def _of_span(
    table: Table, piece: Piece, rows: Rows, records: _Records | None
) -> Iterator[tuple[int, Series]]:
    """The series of each meter in the rows of one span; `records`: only those of the wanted slots."""
    by_mid = {row.mid: row for row in rows}
    stamps = by_mid.get(STAMPS)
    if stamps is None:
        return
    at = STAMPS
    try:
        span = (
            Span(_tile_row(stamps), {mid: _tile_row(row) for mid, row in by_mid.items() if mid < STAMPS})
            if records is None
            else None
        )
        for at, row in by_mid.items():
            if at <= STAMPS:
                continue
            if records is not None:
                yield from _few(piece, by_mid, row, records)
            elif span is not None:
                yield at, span.series(_tile_row(row), versions=piece.versions)
    except DamagedTile as error:
        raise where_damaged(table, piece.gid, at, stamps.start, error) from error


def _few(
    piece: Piece, by_mid: Mapping[int, Row[Any]], row: Row[Any], records: _Records
) -> Iterator[tuple[int, Series]]:
    for slot in sorted(piece.slots or ()):
        if checked_rank(row.slots, slots_in(row.head), slot) is None:
            continue
        values, positions = decode_values_of(*_record(row, slot, records), row.w)
        stamps = decode_stamps_of(*_record(by_mid[STAMPS], slot, records), by_mid[STAMPS].w)
        versions: Sequence[int] = [0] * len(stamps)
        if piece.versions:
            line = by_mid.get(row.line)
            if line is None:
                raise DamagedTile("the versions of a tile are missing")
            versions = [int(ver) for ver in decode_values_of(*_record(line, slot, records), line.w)[0]]
        at = range(len(stamps)) if positions is None else positions
        if len(at) != len(values) or len(versions) != len(stamps) or (len(at) and at[-1] >= len(stamps)):
            raise DamagedTile("readings, versions and stamps of a tile differ in number")
        ts = np.array([stamps[place] for place in at], np.int64)
        ver = np.array([versions[place] for place in at], np.int64)
        yield row.mid, Series(np.full(len(ts), slot, np.int64), ts, ver, np.array(values))


def _record(row: Row[Any], slot: int, records: _Records) -> tuple[bytes, bytes, int]:
    """The head of a slot's record, that record, and its rank."""
    head, rank = place_in(row.slots, row.head, slot, slots_in)
    if rank is None:
        raise DamagedTile("a tile has readings at stamps nobody wrote")
    return head, records[row.start, row.mid, rank], rank


def _tile_row(row: Row[Any]) -> TileRow:
    return TileRow(row.mid, row.line, row.slots, Block(row.w, row.head, row.raw), b"")


def within(piece: Piece, start: int, end: int, series: Series) -> Series:
    """Those of some readings between these times that belong to the piece."""
    chosen = np.ones(len(series.ts), bool)
    if piece.start > start:
        chosen &= series.ts >= piece.start
    if piece.end < end:
        chosen &= series.ts < piece.end
    if piece.slots is not None:
        chosen &= np.isin(series.slot, sorted(piece.slots))
    return series if chosen.all() else series.only(chosen)
