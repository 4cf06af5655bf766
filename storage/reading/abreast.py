"""A whole group's rows of hourly figures and of tiles, decoded together as they came in one answer.

All raise DamagedTile, and LookupError where a row is missing or nobody knows a resource.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from storage.columns import Columns, Figures
from storage.names import Names
from storage.reading.hourly import Day, Records, all_figures_of, records_of
from storage.reading.tiled import Piece, unshared, within
from storage.tables_tiles import STAMPS, day_roll, tile
from storage.tiles.codec import Block
from storage.tiles.layout import SLOT_BITS, slots_of
from storage.tiles.roll_stacks import RollRow
from storage.tiles.span_stacks import SpanRow, SpanStack
from storage.watermarks import BLOCK

Row = Sequence[Any]  # meter, beginning and width, then slots, head and records


def rolled(names: Names, piece: Piece, rows: Sequence[Row]) -> Iterator[Figures]:
    """The figures in rows of `day_roll`."""
    yield from all_figures_of(names, piece, _days(names, piece, rows))


def recorded(names: Names, piece: Piece, rows: Sequence[Row]) -> Iterator[Records]:
    """The same as records with their columns, those with the same columns together."""
    for _, records in records_of(piece, _days(names, piece, rows), spread=False):
        yield records


def tiled(names: Names, piece: Piece, rows: Sequence[Row]) -> Iterator[Columns]:
    """The readings of the piece in rows of `tile`."""
    spans: dict[tuple[int, int], SpanRow] = {}
    by_mid: dict[int, list[tuple[int, int, SpanRow]]] = {}
    for mid, start, w, slots, head, raw in rows:
        own = unshared((tile, piece.gid, mid, start), slots, Block(w, head, raw))
        row = SpanRow(slots_of(slots), own.block, at=own.at)
        if mid == STAMPS:
            spans[start, mid] = row
        else:
            by_mid.setdefault(mid, []).append((start, STAMPS, row))
    _expect(names, piece.gid, rows)
    yield from readings_in(names, piece, spans, by_mid)


def readings_in(
    names: Names,
    piece: Piece,
    stamps: Mapping[tuple[int, int], SpanRow],
    by_mid: Mapping[int, Sequence[tuple[int, int, SpanRow]]],
) -> Iterator[Columns]:
    """The readings of the piece in rows of `tile` (of each meter: beginning, line, row) and their stamps."""
    stack = SpanStack(stamps)
    for mid, some in by_mid.items():
        series = stack.series(some, versions=False)
        if series is None:
            raise LookupError("a tile whose stamps are missing")
        starts = [start for start, _, _ in some]
        own = within(piece, min(starts), max(starts) + BLOCK, series)
        rid = names.known_rids(piece.gid, own.slot)
        yield Columns(piece.gid, mid, rid, own.ts, own.ver, own.volume)


def _days(names: Names, piece: Piece, rows: Sequence[Row]) -> dict[int, list[Day]]:
    by_mid: dict[int, list[Day]] = {}
    for mid, start, w, slots, head, raw in rows:
        own = unshared((day_roll, piece.gid, mid, start), slots, Block(w, head, raw))
        by_mid.setdefault(mid, []).append(Day(start, slots_of(slots), RollRow(own.block, at=own.at)))
    _expect(names, piece.gid, rows)
    return by_mid


def _expect(names: Names, gid: int, rows: Sequence[Row]) -> None:
    """Raises LookupError unless `names` know the resources these rows are of."""
    seen = np.zeros(1 << SLOT_BITS, bool)
    for bitmap in {row[3] for row in rows}:
        seen[slots_of(bitmap)] = True
    for rid in names.known_rids(gid, np.flatnonzero(seen)).tolist():
        names.owner(rid)
