"""Hourly figures of many days decoded together."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.columns import Volumes
from storage.errors import DamagedTile
from storage.tiles import bits, rolls
from storage.tiles.codec import Block, is_whole, open_values
from storage.tiles.heads import Layout
from storage.tiles.stacks import Part, unpack_stack, volumes_of

KEPT, SHORT = 1024, 4096  # heads that are kept, and the bytes of the longest of them


class RollRow(NamedTuple):
    """A row of hourly figures: all its records, or (in `block.raw`) the one at `rank`.

    `at`: which of all each slot has, where they share them.
    """

    block: Block
    rank: int | None = None
    at: NDArray[np.intp] | None = None


class _Column(NamedTuple):
    """Where a column stands in each record, and what its head says."""

    number: int
    at: int
    w: int
    head: bytes
    kind: int
    layout: Layout


def decode_rolls(
    rows: Sequence[RollRow], wanted: frozenset[int]
) -> Iterator[tuple[list[int], dict[int, Volumes]]]:
    """Which rows have the same of the wanted columns, and these: the first hour of all their records, then the second …

    The records of a row follow those of the row before it. Raises DamagedTile; `first_damaged` tells of which row.
    """
    alike: dict[tuple[int, ...], tuple[list[int], list[Sequence[_Column]]]] = {}
    for place, row in enumerate(rows):
        block = row.block
        found = (_kept if len(block.head) <= SHORT else _columns)(block.head, block.w, wanted)
        places, columns = alike.setdefault(tuple(column.number for column in found), ([], []))
        places.append(place)
        columns.append(found)
    for numbers, (places, columns) in alike.items():
        some = [rows[place] for place in places]
        records, at = [_records(row) for row in some], _shared(some)
        joined = {
            number: _joined(some, records, [found[index] for found in columns])
            for index, number in enumerate(numbers)
        }
        if at is not None:
            joined = {number: one.reshape(rolls.HOURS, -1)[:, at].ravel() for number, one in joined.items()}
        yield places, joined


def first_damaged(rows: Sequence[RollRow], wanted: frozenset[int]) -> tuple[int, DamagedTile]:
    """The first row that cannot be decoded, and why."""
    for place, row in enumerate(rows):
        try:
            list(decode_rolls([row], wanted))
        except DamagedTile as error:
            return place, error
    return 0, DamagedTile("hourly figures of some days are not like those of others")


def _records(row: RollRow) -> bits.Octets:
    block, rank = row.block, row.rank
    if block.w <= 0 or len(block.raw) % block.w:
        raise DamagedTile("the records of hourly figures are cut off")
    if rank is not None:
        rolls.check_record(block.raw, rank, block.w)
    return np.frombuffer(block.raw, np.uint8).reshape(-1, block.w)


def _columns(head: bytes, w: int, wanted: frozenset[int]) -> tuple[_Column, ...]:
    """Those of the wanted columns that records of `w` bytes have."""
    found = []
    for number, at, width, own in rolls.columns_of(Block(w, head, b"")):
        if number in wanted:
            opened = open_values(own)
            layout = opened.layout
            if opened.w != width or layout.points != rolls.HOURS or layout.count_width or opened.checked:
                raise DamagedTile("head and records of hourly figures do not belong together")
            found.append(_Column(number, at, width, own, opened.kind, layout))
    return tuple(found)


_kept = lru_cache(KEPT)(_columns)


def _joined(rows: Sequence[RollRow], records: Sequence[bits.Octets], columns: Sequence[_Column]) -> Volumes:
    """The values of a column, record by record of each hour."""
    parts = [_part(column, some, row.rank) for row, some, column in zip(rows, records, columns, strict=True)]
    grid, _ = unpack_stack(parts)
    return volumes_of([column.kind for column in columns], parts, grid).T.ravel()


def _part(column: _Column, records: bits.Octets, rank: int | None) -> Part:
    layout, at = column.layout, column.at
    own = np.ascontiguousarray(records[:, at : at + column.w])
    if rank is None:
        if len(own) != layout.slots or not is_whole(column.head, own.data):
            raise DamagedTile("the records of a tile fail their checksum")
    elif rank >= layout.slots:
        raise DamagedTile("slots and records of hourly figures differ in number")
    return Part(column.head, layout, own, rank)


def _shared(rows: Sequence[RollRow]) -> NDArray[np.intp] | None:
    """Which of the records of all these rows, one after the other, each slot has; None: each its own."""
    if all(row.at is None for row in rows):
        return None
    found, begin = [], 0
    for row in rows:
        records = len(row.block.raw) // row.block.w
        if row.at is not None and row.at.max(initial=-1) >= records:
            raise DamagedTile("slots and records of hourly figures differ in number")
        found.append(begin + (np.arange(records) if row.at is None else row.at))
        begin += records
    return np.concatenate(found)
