"""What the rows of `storage.reading.brief_statement` tell of a resource, and what they come to."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from storage.columns import Columns, Figures
from storage.directory import Place
from storage.names import Names
from storage.reading.abreast import readings_in
from storage.reading.brief_statement import ROLLED, Asked, Gaps, Row
from storage.reading.hourly import Day, all_figures_of
from storage.reading.layer import Layer
from storage.reading.polled import columns_of, sorted_out
from storage.reading.tiled import Piece
from storage.tables_tiles import STAMPS
from storage.tiles import bundles
from storage.tiles.codec import Block
from storage.tiles.roll_stacks import RollRow
from storage.tiles.span_stacks import SpanRow


class SealedRecord(NamedTuple):
    """The resource's record, the `rank`-th of a row of days or hours; `head` is that of the records themselves."""

    kind: int
    line: int
    row: bundles.Row
    head: bytes
    record: bytes
    rank: int

    @property
    def block(self) -> Block:
        """The row without other records."""
        return Block(self.row.w, self.head, self.record)


class Told(NamedTuple):
    """What the statement found of a resource; rows of `hot` as they came."""

    place: Place
    sealed: list[SealedRecord]
    hot: list[Row]


def only(one: SealedRecord, gaps: Gaps) -> SealedRecord:
    """The one record of a row that came with all of them."""
    is_whole = (gaps.days if one.kind == ROLLED else gaps.hours) is None
    begin = one.row.w * one.rank
    return one._replace(record=one.record[begin : begin + one.row.w]) if is_whole else one


def packed(told: Told, kind: int) -> Layer:
    """The records of one kind as a layer."""
    some = [one for one in told.sealed if one.kind == kind]
    rows = bundles.packed([one.row for one in some])
    return Layer(rows or None, b"".join([one.record for one in some]))


def figures(names: Names, asked: Asked, told: Told) -> Iterator[Columns | Figures]:
    """What the records and rows hold; raises LookupError where the long way has to be gone."""
    gid, _, slot = told.place
    days: dict[int, list[Day]] = {}
    spans: dict[tuple[int, int], SpanRow] = {}
    tiles: dict[int, list[tuple[int, int, SpanRow]]] = {}
    for one in told.sealed:
        if one.kind == ROLLED:
            row = RollRow(one.block, one.rank)
            days.setdefault(one.row.mid, []).append(Day(one.row.start, np.array([slot]), row))
            continue
        span = SpanRow(np.array([slot]), one.block, one.rank)
        if one.row.mid == STAMPS:
            spans[one.row.start, one.row.mid] = span
        else:
            tiles.setdefault(one.row.mid, []).append((one.row.start, one.line, span))
    piece = Piece(gid, asked.mids, frozenset((slot,)), asked.start, asked.sealed_end, versions=False)
    yield from all_figures_of(names, piece, days)
    yield from readings_in(names, piece, spans, tiles)
    hot = [(*row[1:7], row[9]) for row in told.hot]
    yield from columns_of(names, sorted_out(hot), asked.mids)
