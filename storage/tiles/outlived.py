"""Hourly figures of meters whose samples are gone before those of other meters (`retention.meters`)."""

from collections.abc import Collection

import numpy as np
from sqlalchemy import Connection, select

from storage.errors import DamagedTile
from storage.reading.tiled import where_damaged
from storage.tables_tiles import STAMPS, day_roll
from storage.tiles import rolls, sharing
from storage.tiles.codec import Block
from storage.tiles.layout import TileRow, slots_of

TIMES = frozenset((rolls.COUNT, rolls.FIRST, rolls.LAST))
EVERY = frozenset(range(rolls.SQUARES + 1))


def outlived(connection: Connection, gid: int, day: int, there: Collection[int]) -> list[TileRow]:
    """The figures of a group's day of meters that are not `there`, as rows that need no row of stamps.

    Raises DamagedTile naming the row.
    """
    rows = connection.execute(select(day_roll).where(day_roll.c.gid == gid, day_roll.c.start == day)).all()
    by_mid = {
        row.mid: TileRow(row.mid, row.line, row.slots, Block(row.w, row.head, row.raw), row.tot)
        for row in rows
    }
    stamps = by_mid.pop(STAMPS, None)
    try:
        return [_alone(row, stamps) for mid, row in sorted(by_mid.items()) if mid not in there]
    except DamagedTile as error:
        raise where_damaged(day_roll, gid, STAMPS, day, error) from error


def times_of(row: TileRow, stamps: TileRow) -> rolls.Grids:
    """Counts and times of a meter that has none of its own: those of all stamps of its slots; raises DamagedTile."""
    every, own = slots_of(stamps.slots), slots_of(row.slots)
    block, at = sharing.whole(stamps.slots, stamps.block)
    found = rolls.decode_roll(block, TIMES)
    if at is not None:
        found = {number: rolls.of_records(column, at) for number, column in found.items()}
    cells = np.repeat(np.isin(every, own), rolls.HOURS)
    if any(len(column) != len(cells) for column in found.values()) or not np.isin(own, every).all():
        raise DamagedTile("slots and records of hourly figures differ in number")
    return {number: column[cells] for number, column in found.items()}


def _alone(row: TileRow, stamps: TileRow | None) -> TileRow:
    columns = rolls.decode_roll(row.block, EVERY)
    if rolls.COUNT in columns:
        return row
    if stamps is None:
        raise DamagedTile("the times of hourly figures are missing")
    block = rolls.encode_roll({**columns, **times_of(row, stamps)})
    return TileRow(row.mid, STAMPS, row.slots, block, row.tot)
