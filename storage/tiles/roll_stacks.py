"""Hourly figures of many days decoded together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from storage.columns import Volumes
from storage.errors import DamagedTile
from storage.tiles import bits, rolls
from storage.tiles.codec import Block, is_whole, open_values
from storage.tiles.stacks import Part, unpack_stack, volumes_of


class RollRow(NamedTuple):
    """A row of hourly figures: all its records, or (in `block.raw`) the one at `rank`."""

    block: Block
    rank: int | None = None


class _Column(NamedTuple):
    kind: int
    part: Part


def decode_rolls(
    rows: Sequence[RollRow], wanted: frozenset[int]
) -> Iterator[tuple[list[int], dict[int, Volumes]]]:
    """Which rows have the same of the wanted columns, and these: the records of all of them one after the other.

    Raises DamagedTile; `first_damaged` tells of which row.
    """
    alike: dict[tuple[int, ...], tuple[list[int], list[Mapping[int, _Column]]]] = {}
    for place, row in enumerate(rows):
        found = _columns(row, wanted)
        places, columns = alike.setdefault(tuple(found), ([], []))
        places.append(place)
        columns.append(found)
    for numbers, (places, columns) in alike.items():
        yield places, {number: _joined([one[number] for one in columns]) for number in numbers}


def first_damaged(rows: Sequence[RollRow], wanted: frozenset[int]) -> tuple[int, DamagedTile]:
    """The first row that cannot be decoded, and why."""
    for place, row in enumerate(rows):
        try:
            list(decode_rolls([row], wanted))
        except DamagedTile as error:
            return place, error
    return 0, DamagedTile("hourly figures of some days are not like those of others")


def _columns(row: RollRow, wanted: frozenset[int]) -> dict[int, _Column]:
    block, rank = row
    if block.w <= 0 or len(block.raw) % block.w:
        raise DamagedTile("the records of hourly figures are cut off")
    if rank is not None:
        rolls.check_record(block.raw, rank, block.w)
    raw = np.frombuffer(block.raw, np.uint8).reshape(-1, block.w)
    found = {}
    for number, at, w, head in rolls.columns_of(block):
        if number in wanted:
            found[number] = _column(head, np.ascontiguousarray(raw[:, at : at + w]), rank)
    return found


def _column(head: bytes, records: bits.Octets, rank: int | None) -> _Column:
    opened = open_values(head)
    layout = opened.layout
    if opened.w != records.shape[1] or layout.points != rolls.HOURS or layout.count_width or opened.checked:
        raise DamagedTile("head and records of hourly figures do not belong together")
    if rank is None:
        if len(records) != layout.slots or not is_whole(head, records.data):
            raise DamagedTile("the records of a tile fail their checksum")
    elif rank >= layout.slots:
        raise DamagedTile("slots and records of hourly figures differ in number")
    return _Column(opened.kind, Part(head, layout, records, rank))


def _joined(columns: Sequence[_Column]) -> Volumes:
    """The values of a column, hour by hour of each record."""
    parts = [column.part for column in columns]
    grid, _ = unpack_stack(parts)
    return volumes_of([column.kind for column in columns], parts, grid).ravel()
