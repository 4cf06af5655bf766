"""Writes what was laid out: all rows of a group's hour or day, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from storage.columns import Columns, Integers
from storage.names import Names
from storage.tables_tiles import seen
from storage.tiles.layout import Counts, Series, TileRow, place_of
from storage.tiles.sightings import sight, unpack_sightings

Meters = Mapping[int, Series]  # by mid


def as_rows(gid: int, start: int, rows: Sequence[TileRow]) -> list[dict[str, object]]:
    """What was laid out of one group and span, for `insert`."""
    return [
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
    ]


def delete_span(connection: Connection, table: Table, gid: int, start: int, end: int) -> None:
    """Removes the rows of a group that begin in this span."""
    connection.execute(delete(table).where(table.c.gid == gid, table.c.start >= start, table.c.start < end))


def note_sightings(connection: Connection, groups: Mapping[int, Meters]) -> None:
    """Adds what these readings saw to what is known of their groups."""
    bodies = connection.execute(select(seen.c.gid, seen.c.body).where(seen.c.gid.in_(sorted(groups))))
    known = {gid: unpack_sightings(body) for gid, body in bodies}
    fresh, changed = [], []
    for gid, meters in groups.items():
        found = sight(meters.values())
        if gid in known:
            changed.append({"group": gid, "packed": known[gid].joined(found).pack()})
        else:
            fresh.append({"gid": gid, "body": found.pack()})
    if fresh:
        connection.execute(insert(seen), fresh)
    if changed:
        statement = update(seen).where(seen.c.gid == bindparam("group")).values(body=bindparam("packed"))
        connection.execute(statement, changed)


def as_meters(connection: Connection, names: Names, gid: int, found: Sequence[Columns]) -> dict[int, Series]:
    """Readings of resources of one group as series by slot and time; what came together shares its arrays."""
    arranged: dict[int, tuple[Integers, Counts | None]] = {}
    meters: dict[int, Series] = {}
    shared: dict[int, Series] = {}
    for one in found:
        like = id(one.rid)
        if like not in arranged:
            slot = names.slots_in(connection, gid, one.rid)
            place = place_of(slot, one.ts)
            order = None if (place[1:] > place[:-1]).all() else np.argsort(place, kind="stable")
            arranged[like] = slot, order
            shared[like] = Series(slot, one.ts, one.ver, one.volume)
            if order is not None:
                shared[like] = shared[like].only(order)
        order = arranged[like][1]
        volume = one.volume if order is None else one.volume[order]
        meters[one.mid] = replace(shared[like], volume=volume)
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
    follow = all(one.ts.max() < other.ts.min() for one, other in pairwise(parts))
    # One after the other in time: to sort by slot will do, which as bytes takes a tenth of the time.
    key = whole.slot.astype(np.uint8) if follow else whole.place
    return whole.only(np.argsort(key, kind="stable"))
