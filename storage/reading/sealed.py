"""Reads sealed readings as columns, the tiles of many hours or days decoded together.

What is damaged is left to `storage.reading.tiled`, which reads one by one and says where it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Table

from storage.columns import Columns
from storage.errors import DamagedTile
from storage.names import Names
from storage.reading.asking import Answers, ask, marks, record_in
from storage.reading.tiled import FEW, SPANS, Piece, located, sealed_series, stretches, unshared
from storage.tables_tiles import STAMPS, day_tile
from storage.tiles.codec import Block
from storage.tiles.layout import Series, slots_of
from storage.tiles.span_stacks import SpanRow, SpanStack

ROWS_AT_ONCE = 8  # whole days of a meter that are decoded together: some MB
RECORDS_AT_ONCE = 1000  # the same of single records


class _Row(NamedTuple):
    """A row of a tile, with the records that are wanted of it."""

    start: int
    mid: int
    line: int
    found: SpanRow


def sealed_columns(connection: Connection, names: Names, table: Table, piece: Piece) -> Iterator[Columns]:
    """The readings of a piece in `tile` or `day_tile`, of many hours or days at once; raises DamagedTile naming it."""
    few = piece.slots is not None and len(piece.slots) <= FEW
    step = RECORDS_AT_ONCE if few else ROWS_AT_ONCE * (24 if table is not day_tile else 1)
    for begin, end in stretches(connection, table, piece):
        part = replace(piece, start=max(begin, piece.start), end=min(end, piece.end))
        for slot in sorted(piece.slots or ()) if few else (None,):
            rows = _rows(connection, table, part, slot)
            stack = SpanStack({(row.start, row.mid): row.found for row in rows if row.mid <= STAMPS})
            by_mid = _by_meter(rows)
            names.learn_meters(connection, by_mid)
            one = part if slot is None else replace(part, slots=frozenset((slot,)))
            for mid, some in by_mid.items():
                for at in range(0, len(some), step):
                    for series in _series(connection, table, one, stack, some[at : at + step]):
                        rid = names.rids(connection, piece.gid, series.slot)
                        yield Columns(piece.gid, mid, rid, series.ts, series.ver, series.volume)


def whole_series(connection: Connection, table: Table, piece: Piece) -> Iterator[tuple[int, Series]]:
    """The readings of all slots, of each meter together or tile by tile; raises DamagedTile naming it."""
    rows = _rows(connection, table, piece, None)
    stack = SpanStack({(row.start, row.mid): row.found for row in rows if row.mid <= STAMPS})
    for mid, some in _by_meter(rows).items():
        for series in _series(connection, table, piece, stack, some):
            yield mid, series


def _by_meter(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    by_mid: dict[int, list[_Row]] = {}
    for row in rows:
        if row.mid > STAMPS:
            by_mid.setdefault(row.mid, []).append(row)
    return by_mid


def _series(
    connection: Connection, table: Table, piece: Piece, stack: SpanStack, rows: Sequence[_Row]
) -> Iterator[Series]:
    """The readings in rows of one meter that belong to the piece."""
    found: Series | None
    try:
        found = stack.series([(row.start, row.line, row.found) for row in rows], versions=piece.versions)
    except DamagedTile:
        found = None  # whoever reads them one by one says which it is
    start, end = rows[0].start, rows[-1].start + SPANS[table]
    if found is None:
        again = replace(
            piece,
            mids=frozenset((rows[0].mid,)),
            start=max(piece.start, start),
            end=min(piece.end, end),
        )
        for _, _, series in sealed_series(connection, table, again):
            yield series
        return
    chosen = np.ones(len(found.ts), bool)
    if start < piece.start or end > piece.end:
        chosen &= (found.ts >= piece.start) & (found.ts < piece.end)
    if piece.slots is not None and len(piece.slots) > 1:
        chosen &= np.isin(found.slot, sorted(piece.slots))
    found = found if chosen.all() else found.only(chosen)
    if len(found.ts):
        yield found


def _rows(connection: Connection, table: Table, piece: Piece, slot: int | None) -> list[_Row]:
    """By beginning; of one slot (then only rows that have it) or of all of them."""
    if slot is None:
        found = []
        for start, mid, line, slots, w, head, raw in _ask(connection, table, piece, "raw", ()):
            block, at = unshared((table, piece.gid, mid, start), slots, Block(w, head, raw))
            found.append(_Row(start, mid, line, SpanRow(slots_of(slots), block, at=at)))
        return found
    # At first from where the record is if every slot before it has one.
    guesses, asked, found = [slot], set[int](), []
    while guesses:
        guess = guesses.pop()
        asked.add(guess)
        answers = _ask(connection, table, piece, record_in(connection), (slot, guess))
        for start, mid, line, slots, w, head, record in answers:
            own, rank = located((table, piece.gid, mid, start), slots, head, slot)
            if mid == STAMPS and len(asked) > 1:
                continue  # of stamps the first answer had it
            if rank == guess or (mid == STAMPS and rank is not None):
                block = Block(w, own, record or b"")  # beyond the end of a damaged row there is NULL
                found.append(_Row(start, mid, line, SpanRow(np.array([slot]), block, rank)))
            elif rank is not None and rank not in asked and rank not in guesses:
                guesses.append(rank)
    return sorted(found, key=lambda row: row.start)


def _ask(
    connection: Connection, table: Table, piece: Piece, records: str, values: tuple[int, ...]
) -> Answers:
    begin = piece.start - piece.start % SPANS[table]
    meters, mids = "", list[int]()
    if piece.mids is not None:
        mids = [STAMPS, *sorted(piece.mids)]
        meters = f"mid IN ({marks(mids)})"
        meters = f" AND ({meters} OR mid < 0)" if piece.versions else f" AND {meters}"
    statement = (
        f"SELECT start, mid, line, slots, w, head, {records} FROM {table.name}"  # noqa: S608 - ours
        f" WHERE gid = %s AND start >= %s AND start < %s{meters} ORDER BY start, mid"
    )
    return ask(connection, statement, (*values, piece.gid, begin, piece.end, *mids))
