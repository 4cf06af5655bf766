"""Puts what came late where it belongs: into the tiles of its hours or day, a group's day at a time."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
from sqlalchemy import Connection, delete, select, tuple_

from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.reading.asking import ask, put
from storage.reading.polled import PolledRows, explode, polled
from storage.reading.tiled import Piece, sealed_series
from storage.sample import to_microseconds
from storage.tables import late
from storage.tables_tiles import STAMPS, day_roll, day_tile, tile
from storage.tiles.compact import write_day
from storage.tiles.damaged import Damaged
from storage.tiles.layout import Series
from storage.tiles.outlived import outlived
from storage.tiles.plans import lay_out
from storage.tiles.rows import as_meters, as_rows, delete_span, merged_meters, note_sightings
from storage.tiles.seal import Sealed
from storage.watermarks import BLOCK, DAY, Watermarks, take_turn

KEYS_A_STATEMENT = 500


class Resealer:
    """Merges `late` into `tile` and `day_tile`. A reading that is there already wins over a late one.

    Groups' days with a damaged tile are passed over and listed in `damaged`.
    """

    def __init__(self, database: Database, *, wait: timedelta) -> None:
        self.damaged = Damaged()
        self._database = database
        self._wait = wait
        self._names = Names()

    def step(self, now: datetime) -> Sealed | None:
        """Merges a group's day with rows that have waited long enough; None when no group has one."""
        self._names.forget()
        waited = to_microseconds(now - self._wait)
        return self.damaged.passing(
            lambda: self._database.write_retrying(lambda connection: self._reseal(connection, waited))
        )

    def _reseal(self, connection: Connection, waited: int) -> Sealed | None:
        marks = take_turn(connection)
        ripe = ripe_rows(marks, waited, self.damaged)
        found = ask(connection, f"SELECT gid FROM late WHERE {ripe} ORDER BY gid LIMIT 1")  # noqa: S608 - integers of ours
        if not found:
            return None
        ((gid,),) = found
        of_group = f"SELECT min(ts) FROM late WHERE gid = {gid} AND {ripe}"  # noqa: S608 - as above
        ((earliest,),) = ask(connection, of_group)
        day = earliest - earliest % DAY
        self.damaged.at = (gid, day)
        end = min(day + DAY, marks.sealed)
        some = "gid = %s AND ts >= %s AND ts < %s", (gid, day, end)
        rows = list(chain.from_iterable(polled(connection, late, some, in_pages=False)))
        came = as_meters(connection, self._names, gid, explode(connection, self._names, rows, None))
        note_sightings(connection, {gid: came})
        if _is_compacted(connection, gid, day, marks):
            self._merge_day(connection, gid, day, came)
        else:
            for start in range(day, end, BLOCK):
                self._merge_block(connection, gid, start, _between(came, start, start + BLOCK))
        reach("reseal.written")
        _forget_rows(connection, rows)
        reach("reseal.deleted")
        return Sealed(day, sum(len(series.ts) for series in came.values()), 1)

    def _merge_day(self, connection: Connection, gid: int, day: int, came: Mapping[int, Series]) -> None:
        piece = Piece(gid, None, None, day, day + DAY)
        there = {mid: series for _, mid, series in sealed_series(connection, day_tile, piece)}
        gone = outlived(connection, gid, day, there)
        self._names.learn_meters(connection, (*there, *(row.mid for row in gone)))
        kinds = {self._names.meter(row.mid).kind for row in gone}
        kept = {mid: series for mid, series in came.items() if self._names.meter(mid).kind not in kinds}
        if kept:  # what came for meters whose samples are gone is gone, too
            write_day(connection, self._names, gid, day, self._merged(there, kept))
            if gone:
                put(connection, day_roll, as_rows(gid, day, gone))

    def _merge_block(self, connection: Connection, gid: int, start: int, came: Mapping[int, Series]) -> None:
        """Makes one tile of those of a block and what came for it."""
        if not came:
            return
        parts: dict[int, list[Series]] = {}
        for _, mid, series in sealed_series(connection, tile, Piece(gid, None, None, start, start + BLOCK)):
            parts.setdefault(mid, []).append(series)
        there = merged_meters(parts)
        self._names.learn_meters(connection, there)
        delete_span(connection, tile, gid, start, start + BLOCK)
        rows = lay_out(self._merged(there, came))
        put(connection, tile, as_rows(gid, start, rows))

    def _merged(self, there: Mapping[int, Series], came: Mapping[int, Series]) -> dict[int, Series]:
        whole = dict(there)
        for mid, series in came.items():
            kind = self._names.meter(mid).kind
            taken = [other.place for one, other in there.items() if self._names.meter(one).kind == kind]
            new = series.only(~np.isin(series.place, np.concatenate(taken))) if taken else series
            if len(new.ts):
                whole[mid] = merged_meters({mid: [whole[mid], new]})[mid] if mid in whole else new
        return whole


def ripe_rows(marks: Watermarks, waited: int, damaged: Damaged) -> str:
    """What is so of late rows that can be merged: of sealed hours whose samples are kept, since before `waited`."""
    sealed = f"ts >= {marks.raw_from} AND ts < {marks.sealed}"
    return f"{sealed} AND recv <= {waited}{damaged.others('ts')}"


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


def _forget_rows(connection: Connection, rows: Iterable[PolledRows]) -> None:
    """Removes exactly these rows: others may have come since they were read."""
    key = tuple_(late.c.rid, late.c.ts, late.c.part)
    for some in rows:
        keys = [(rid, ts, some.part) for rid, ts in zip(some.rid.tolist(), some.ts.tolist(), strict=True)]
        for start in range(0, len(keys), KEYS_A_STATEMENT):
            chosen = key.in_(keys[start : start + KEYS_A_STATEMENT])
            connection.execute(delete(late).where(late.c.gid == some.gid, chosen))
