"""Writes what was laid out: all rows of a group's hour or day, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, Table

from storage.columns import Columns, Integers
from storage.names import Names
from storage.reading.asking import ROWS_A_STATEMENT, ask, change, marks, put_anew
from storage.tables_tiles import seen
from storage.tiles.layout import Counts, Series, TileRow, place_of
from storage.tiles.sightings import Sightings, sight, unpack_sightings

Meters = Mapping[int, Series]  # by mid


def as_rows(gid: int, start: int, rows: Sequence[TileRow]) -> list[tuple[int | bytes, ...]]:
    """What was laid out of one group and span, in the order of the table's columns."""
    return [
        (gid, row.mid, start, row.line, row.slots, row.block.w, row.block.head, row.block.raw, row.tot)
        for row in rows
    ]


def delete_span(connection: Connection, table: Table, gid: int, start: int, end: int) -> None:
    """Removes the rows of a group that begin in this span."""
    gone = f"DELETE FROM {table.name} WHERE gid = %s AND start >= %s AND start < %s"  # noqa: S608 - our tables
    change(connection, gone, (gid, start, end))


def note_sightings(connection: Connection, groups: Mapping[int, Meters]) -> None:
    """Adds what these readings saw to what is known of their groups."""
    gids, known, rows = sorted(groups), dict[int, Sightings](), []
    for at in range(0, len(gids), ROWS_A_STATEMENT):
        some = gids[at : at + ROWS_A_STATEMENT]
        asked = f"SELECT gid, body FROM seen WHERE gid IN ({marks(some)})"  # noqa: S608 - only marks
        known |= {gid: unpack_sightings(body) for gid, body in ask(connection, asked, some)}
    for gid, meters in groups.items():
        found = sight(meters.values())
        rows.append((gid, (known[gid].joined(found) if gid in known else found).pack()))
    put_anew(connection, seen, rows)


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


def merged_meters(parts: Mapping[int, Sequence[Series]]) -> dict[int, Series]:
    """All readings of each meter's series, of which no two are of the same slot and time.

    Meters whose parts share their arrays share those of the whole.
    """
    known: dict[tuple[int, ...], tuple[Series, Integers]] = {}
    found = {}
    for mid, some in parts.items():
        like = tuple(id(array) for part in some for array in (part.slot, part.ts, part.ver))
        if like not in known:
            known[like] = _in_order(some)
        whole, order = known[like]
        found[mid] = replace(whole, volume=np.concatenate([part.volume for part in some])[order])
    return found


def _in_order(parts: Sequence[Series]) -> tuple[Series, Integers]:
    """All readings of series by slot and time, and where each stood when they are put one after the other."""
    slot, ts, ver = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("slot", "ts", "ver")
    )
    follow = all(one.ts.max() < other.ts.min() for one, other in pairwise(parts))
    # One after the other in time: to sort by slot will do, which as bytes takes a tenth of the time.
    order = np.argsort(slot.astype(np.uint8) if follow else place_of(slot, ts), kind="stable")
    return Series(slot[order], ts[order], ver[order], np.zeros(0, np.int64)), order
