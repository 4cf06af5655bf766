"""Puts what came late where it belongs: into the tiles of its hour or day, a group's day at a time."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection, delete, func, select, tuple_

from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.polled import Rows, explode
from storage.sample import to_microseconds
from storage.tables import late
from storage.tables_tiles import STAMPS, day_tile, tile
from storage.tiled import Piece, sealed_series
from storage.tiles.compact import write_day
from storage.tiles.layout import Series
from storage.tiles.rows import as_meters, delete_span, merged, note_sightings, write_tiles
from storage.tiles.seal import Sealed
from storage.watermarks import DAY, HOUR, Watermarks, take_turn

KEYS_A_STATEMENT = 500


class Resealer:
    """Merges `late` into `tile` and `day_tile`. A reading that is there already wins over a late one."""

    def __init__(self, database: Database, *, wait: timedelta) -> None:
        self._database = database
        self._wait = wait
        self._names = Names()

    def step(self, now: datetime) -> Sealed | None:
        """Merges a group's day with rows that have waited long enough; None when no group has one."""
        self._names.forget()
        waited = to_microseconds(now - self._wait)
        return self._database.write_retrying(lambda connection: self._reseal(connection, waited))

    def _reseal(self, connection: Connection, waited: int) -> Sealed | None:
        marks = take_turn(connection)
        ripe = select(late.c.gid).where(late.c.ts < marks.sealed, late.c.recv <= waited)
        gid = connection.execute(ripe.order_by(late.c.gid).limit(1)).scalar()
        if gid is None:
            return None
        of_group = select(func.min(late.c.ts)).where(
            late.c.gid == gid, late.c.ts < marks.sealed, late.c.recv <= waited
        )
        earliest = connection.execute(of_group).scalar_one()
        day = earliest - earliest % DAY
        end = min(day + DAY, marks.sealed)
        rows = connection.execute(
            select(late)
            .where(late.c.gid == gid, late.c.ts >= day, late.c.ts < end)
            .order_by(late.c.rid, late.c.ts)
        ).all()
        came = as_meters(connection, self._names, gid, explode(connection, self._names, rows, None))
        note_sightings(connection, gid, came)
        if _is_compacted(connection, gid, day, marks):
            self._merge_day(connection, gid, day, came)
        else:
            for start in range(day, end, HOUR):
                self._merge_hour(connection, gid, start, _between(came, start, start + HOUR))
        reach("reseal.written")
        _forget_rows(connection, rows)
        reach("reseal.deleted")
        return Sealed(day, sum(len(series.ts) for series in came.values()))

    def _merge_day(self, connection: Connection, gid: int, day: int, came: Mapping[int, Series]) -> None:
        piece = Piece(gid, None, None, day, day + DAY)
        there = {mid: series for _, mid, series in sealed_series(connection, day_tile, piece)}
        self._names.learn_meters(connection, there)
        write_day(connection, self._names, gid, day, self._merged(there, came))

    def _merge_hour(self, connection: Connection, gid: int, start: int, came: Mapping[int, Series]) -> None:
        if not came:
            return
        piece = Piece(gid, None, None, start, start + HOUR)
        there = {mid: series for _, mid, series in sealed_series(connection, tile, piece)}
        self._names.learn_meters(connection, there)
        delete_span(connection, tile, gid, start, start + HOUR)
        write_tiles(connection, tile, gid, start, self._merged(there, came))

    def _merged(self, there: Mapping[int, Series], came: Mapping[int, Series]) -> dict[int, Series]:
        whole = dict(there)
        for mid, series in came.items():
            kind = self._names.meter(mid).kind
            taken = [other.place for one, other in there.items() if self._names.meter(one).kind == kind]
            new = series.only(~np.isin(series.place, np.concatenate(taken))) if taken else series
            if len(new.ts):
                whole[mid] = merged([whole[mid], new]) if mid in whole else new
        return whole


def _is_compacted(connection: Connection, gid: int, day: int, marks: Watermarks) -> bool:
    if day + DAY <= marks.compacted:
        return True
    there = select(day_tile.c.start).where(
        day_tile.c.gid == gid, day_tile.c.mid == STAMPS, day_tile.c.start == day
    )
    return connection.execute(there).scalar() is not None


def _between(meters: Mapping[int, Series], start: int, end: int) -> dict[int, Series]:
    found = {mid: series.only((series.ts >= start) & (series.ts < end)) for mid, series in meters.items()}
    return {mid: series for mid, series in found.items() if len(series.ts)}


def _forget_rows(connection: Connection, rows: Rows) -> None:
    """Removes exactly these rows: others may have come since they were read."""
    key = tuple_(late.c.gid, late.c.rid, late.c.ts, late.c.part)
    for start in range(0, len(rows), KEYS_A_STATEMENT):
        keys = [(row.gid, row.rid, row.ts, row.part) for row in rows[start : start + KEYS_A_STATEMENT]]
        connection.execute(delete(late).where(key.in_(keys)))
