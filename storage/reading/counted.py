"""Reads what was counted when it was sealed: totals of groups by the hour and day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table

from storage.columns import Figures, Integers, Volumes
from storage.errors import DamagedTile
from storage.names import Names
from storage.reading.asking import ask, marks
from storage.reading.lines import Grain, Lines
from storage.reading.tiled import SPANS, Piece, where_damaged
from storage.tables_tiles import day_tile, tile
from storage.tiles.totals import SIZE, is_whole
from storage.watermarks import DAY

GROUPS_AT_ONCE = 500

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
    yield from counted(names, table, _rows(connection, table, gids, span), dirty)


def counted(
    names: Names, table: Table, rows: Iterable[Any], dirty: frozenset[GroupDay]
) -> Iterator[Figures | Uncounted]:
    """The same of rows of group, meter, beginning and total, in this order."""
    source = tile if table is tile else day_tile
    for (gid, mid), some in groupby(rows, key=lambda row: (row[0], row[1])):
        whole: list[tuple[int, bytes]] = []
        for _, _, start, tot in some:
            if (gid, start - start % DAY) in dirty or len(tot) != SIZE:
                yield Uncounted(source, gid, mid, start, start + SPANS[source])
            elif is_whole(tot):
                whole.append((start, tot))
            else:
                error = DamagedTile("the sums of a tile fail their checksum")
                raise where_damaged(table, gid, mid, start, error)
        if whole:
            yield _totals(gid, mid, whole, real=names.meter(mid).real)


def counted_lines(names: Names, rows: Sequence[Any], grain: Grain) -> list[Lines]:
    """The same as lines, at most one of integer meters and one of real ones, of rows in any order.

    Raises LookupError where a tile has no total, and DamagedTile.
    """
    found = []
    for real in (False, True):
        some = [row for row in rows if names.meter(row[1]).real == real]
        if some:
            found.append(_lines(some, grain, real=real))
    return found


def _lines(rows: Sequence[Any], grain: Grain, *, real: bool) -> Lines:
    gids, mids, _, tots = zip(*rows, strict=True)
    if any(len(tot) != SIZE for tot in tots):
        raise LookupError("a tile without a sum")
    if not all(map(is_whole, tots)):
        raise DamagedTile("the sums of a tile fail their checksum")
    count, first, last, least, most, high, low = _words(tots)
    volumes = [_volumes(column, real=real) for column in (least, most, high)]
    nobody = np.zeros(len(tots), np.int64)
    return Lines(
        gid=np.array(gids),
        mid=np.array(mids),
        rid=nobody,
        ver=nobody,
        period=grain.period_of(first),
        count=count,
        first=first,
        last=last,
        least=volumes[0],
        most=volumes[1],
        high=volumes[2],
        low=low,
        spread=None,
    )


def _rows(connection: Connection, table: Table, gids: Iterable[int], span: Piece) -> Iterator[Any]:
    """Group, meter, beginning and total of each tile."""
    some, mids = sorted(gids), sorted(span.mids or ())
    for at in range(0, len(some), GROUPS_AT_ONCE):
        few = some[at : at + GROUPS_AT_ONCE]
        statement = (
            f"SELECT gid, mid, start, tot FROM {table.name} WHERE gid IN ({marks(few)})"  # noqa: S608 - ours
            f" AND mid IN ({marks(mids)}) AND start >= %s AND start < %s ORDER BY gid, mid, start"
        )
        yield from ask(connection, statement, (*few, *mids, span.start, span.end))


def _totals(gid: int, mid: int, rows: Sequence[tuple[int, bytes]], *, real: bool) -> Figures:
    count, first, last, least, most, high, low = _words([tot for _, tot in rows])
    start = np.array([start for start, _ in rows], np.int64)
    nobody = np.zeros(len(rows), np.int64)
    volumes = [_volumes(column, real=real) for column in (least, most, high)]
    return Figures(gid, mid, nobody, start, count, first, last, volumes[0], volumes[1], volumes[2], low)


def _words(tots: Sequence[bytes]) -> Sequence[Integers]:
    """The columns of totals, a word of each: count, first, last, least, most, high and low."""
    table = np.frombuffer(b"".join(tots), "<i8").reshape(len(tots), -1)
    columns: Integers = np.ascontiguousarray(table.T[:-1], np.int64)
    return list(columns)


def _volumes(column: Integers, *, real: bool) -> Volumes:
    return column.view(np.float64) if real else column
