"""Reads what was counted when it was sealed: totals of groups, tile by tile."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table

from storage.columns import Figures, Integers, Volumes, Wanted
from storage.errors import DamagedTile
from storage.names import Names
from storage.reading.asking import ask, marks
from storage.reading.lines import Grain, Lines
from storage.reading.tiled import SPANS, Piece, where_damaged
from storage.tables_tiles import day_tile, tile
from storage.tiles.totals import SIZE, is_whole, times_in
from storage.watermarks import DAY

GROUPS_AT_ONCE = 500

GroupDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Hours of a day of a meter of a group that have to be read reading by reading."""

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
    wanted: Wanted,
    dirty: frozenset[GroupDay],
) -> Iterator[Figures | Uncounted]:
    """One entry per group, meter and tile with readings in the span; rid 0.

    Tiles that the span or a period cuts, those whose day is `dirty` and those without a total come as `Uncounted`.
    The span's group does not matter.
    """
    source = tile if table is tile else day_tile
    rows = _rows(connection, table, gids, span, SPANS[source])
    for (gid, mid), found in groupby(rows, key=itemgetter(0, 1)):
        some = [row[2:] for row in found]
        whole: list[tuple[int, bytes]] = []
        rest: list[Uncounted] = []
        for (start, tot), end in zip(some, _ends(some, SPANS[source]), strict=True):
            day = start - start % DAY
            if (gid, day) in dirty or len(tot) != SIZE:
                is_counted = False
            elif is_whole(tot):
                first, last = times_in(tot)
                is_counted = span.start <= first and last < span.end and wanted.joins(first, last)
            else:
                error = DamagedTile("the sums of a tile fail their checksum")
                raise where_damaged(table, gid, mid, start, error)
            if is_counted:
                whole.append((start, tot))
            else:
                rest.append(Uncounted(source, gid, mid, max(start, span.start), min(end, span.end)))
        if whole:
            yield _totals(gid, mid, whole, real=names.meter(mid).real)
        yield from _joined(rest)


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


def _joined(some: Iterable[Uncounted]) -> Iterator[Uncounted]:
    """What is to be read of one day and stands side by side, in one piece."""
    waiting: Uncounted | None = None
    for one in some:
        if waiting and waiting.end == one.start and waiting.start // DAY == one.start // DAY:
            waiting = replace(waiting, end=one.end)
            continue
        if waiting:
            yield waiting
        waiting = one if one.start < one.end else None
    if waiting:
        yield waiting


def _ends(some: Sequence[tuple[int, bytes]], length: int) -> Iterator[int]:
    """Where each of some tiles of a group and meter ends at the latest."""
    starts = [start for start, _ in some]
    for start, after in zip(starts, [*starts[1:], starts[-1] + length], strict=True):
        yield min(start - start % length + length, after)


def _rows(
    connection: Connection, table: Table, gids: Iterable[int], span: Piece, length: int
) -> Iterator[Any]:
    """Group, meter, beginning and total of each tile, in this order."""
    some, mids = sorted(gids), sorted(span.mids or ())
    for at in range(0, len(some), GROUPS_AT_ONCE):
        few = some[at : at + GROUPS_AT_ONCE]
        statement = (
            f"SELECT gid, mid, start, tot FROM {table.name} WHERE gid IN ({marks(few)})"  # noqa: S608 - ours
            f" AND mid IN ({marks(mids)}) AND start >= %s AND start < %s ORDER BY gid, mid, start"
        )
        yield from ask(connection, statement, (*few, *mids, span.start - span.start % length, span.end))


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
