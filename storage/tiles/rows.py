"""Writes what was laid out: all rows of a group's hour or day, in the caller's transaction."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, Table, delete, insert, select, update

from storage.columns import Columns
from storage.names import Names
from storage.tables_tiles import day_tile, seen
from storage.tiles.layout import Series, TileRow, lay_out
from storage.tiles.sightings import sight, unpack_sightings

Meters = Mapping[int, Series]  # by mid


def write_tiles(connection: Connection, table: Table, gid: int, start: int, meters: Meters) -> int:
    """The rows of one span in `tile` or `day_tile`; returns how many readings they hold."""
    if not meters:
        return 0
    insert_rows(connection, table, gid, start, lay_out(meters, checked=table is day_tile))
    return sum(len(series.ts) for series in meters.values())


def insert_rows(connection: Connection, table: Table, gid: int, start: int, rows: Sequence[TileRow]) -> None:
    """Inserts rows of one group and span."""
    connection.execute(
        insert(table),
        [
            {
                "gid": gid,
                "mid": row.mid,
                "start": start,
                "line": row.line,
                "slots": row.slots,
                "w": row.block.w,
                "head": row.block.head,
                "raw": row.block.raw,
                "tot": row.tot,
            }
            for row in rows
        ],
    )


def delete_span(connection: Connection, table: Table, gid: int, start: int, end: int) -> None:
    """Removes the rows of a group that begin in this span."""
    connection.execute(delete(table).where(table.c.gid == gid, table.c.start >= start, table.c.start < end))


def note_sightings(connection: Connection, gid: int, meters: Meters) -> None:
    """Adds what these readings saw to what is known of the group."""
    found = sight(meters.values())
    body = connection.execute(select(seen.c.body).where(seen.c.gid == gid)).scalar()
    if body is None:
        connection.execute(insert(seen).values(gid=gid, body=found.pack()))
    else:
        joined = unpack_sightings(body).joined(found)
        connection.execute(update(seen).where(seen.c.gid == gid).values(body=joined.pack()))


def as_meters(connection: Connection, names: Names, gid: int, found: Sequence[Columns]) -> dict[int, Series]:
    """Readings of resources of one group as series by slot and time."""
    meters = {}
    for one in found:
        slot = names.slots_in(connection, gid, one.rid)
        series = Series(slot, one.ts, one.ver, one.volume)
        place = series.place
        is_sorted = (place[1:] > place[:-1]).all()
        meters[one.mid] = series if is_sorted else series.only(np.argsort(place, kind="stable"))
    return meters


def merged(parts: Sequence[Series]) -> Series:
    """All readings of these series, of which no two are of the same slot and time."""
    if len(parts) == 1:
        return parts[0]
    whole = Series(
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.ver for part in parts]),
        np.concatenate([part.volume for part in parts]),
    )
    return whole.only(np.argsort(whole.place, kind="stable"))
