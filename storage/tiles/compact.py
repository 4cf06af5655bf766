"""Compacts days: the hour tiles of a group become a day tile, with hourly figures beside it."""

import numpy as np
from sqlalchemy import Connection, func, insert, select

from storage.columns import Integers, Volumes
from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.tables_tiles import STAMPS, day_roll, day_tile, tile
from storage.tiled import Piece, sealed_series
from storage.tiles import rolls
from storage.tiles.damaged import Damaged
from storage.tiles.layout import Series, TileRow, lay_out, slots_of
from storage.tiles.rows import Meters, as_rows, delete_span, merged
from storage.tiles.seal import Sealed
from storage.tiles.totals import pack_total
from storage.watermarks import DAY, Watermarks, move, take_turn

GROUPS_AT_ONCE = 16


class Compactor:
    """Turns `tile` into `day_tile` and `day_roll`, some groups of a day at a time.

    Groups' days with a damaged tile are passed over and listed in `damaged`.
    """

    def __init__(self, database: Database) -> None:
        self.damaged = Damaged()
        self._database = database
        self._names = Names()

    def step(self) -> Sealed | None:
        """Compacts some groups of the earliest day that is over and not compacted; None when there is none."""
        self._names.forget()
        return self.damaged.passing(lambda: self._database.write_retrying(self._compact))

    def _compact(self, connection: Connection) -> Sealed | None:
        marks = take_turn(connection)
        over = marks.sealed - marks.sealed % DAY
        earliest = earliest_tile(connection, marks, self.damaged)
        day = over if earliest is None else min(earliest - earliest % DAY, over)
        reached = min(day, *(damaged for _, damaged in self.damaged.found)) if self.damaged.found else day
        if day < over:
            readable = self.damaged.others(tile, "start")
            chosen = select(tile.c.gid).where(
                tile.c.mid == STAMPS, tile.c.start >= day, tile.c.start < day + DAY, readable
            )
            groups = connection.execute(chosen.distinct().order_by(tile.c.gid).limit(GROUPS_AT_ONCE))
            gids = groups.scalars().all()
            readings = sum(self._compact_group(connection, gid, day) for gid in gids)
            reach("compact.written")
        if marks.compacted != max(reached, marks.raw_from):
            move(connection, "compacted", max(reached, marks.raw_from))
        return Sealed(day, readings, len(gids)) if day < over else None

    def _compact_group(self, connection: Connection, gid: int, day: int) -> int:
        self.damaged.at = (gid, day)
        parts: dict[int, list[Series]] = {}
        piece = Piece(gid, None, None, day, day + DAY)
        for table in (day_tile, tile):
            for _, mid, series in sealed_series(connection, table, piece):
                parts.setdefault(mid, []).append(series)
        meters = {mid: merged(some) for mid, some in parts.items()}
        self._names.learn_meters(connection, meters)
        delete_span(connection, tile, gid, day, day + DAY)
        reach("compact.deleted")
        write_day(connection, self._names, gid, day, meters)
        return sum(len(series.ts) for series in meters.values())


def earliest_tile(connection: Connection, marks: Watermarks, damaged: Damaged) -> int | None:
    """The beginning of the earliest hour tile whose samples are kept and that can be read; None without one."""
    stamps = select(func.min(tile.c.start)).where(
        tile.c.mid == STAMPS, tile.c.start >= marks.raw_from, damaged.others(tile, "start")
    )
    return connection.execute(stamps).scalar()


def write_day(connection: Connection, names: Names, gid: int, day: int, meters: Meters) -> None:
    """The rows of a group's day in `day_tile` and `day_roll`, instead of any there are."""
    for table in (day_tile, day_roll):
        delete_span(connection, table, gid, day, day + DAY)
    if not meters:
        return
    rows = lay_out(meters, checked=True)
    connection.execute(insert(day_tile), as_rows(gid, day, rows))
    connection.execute(insert(day_roll), as_rows(gid, day, _rolled(connection, names, meters, rows)))


def _rolled(connection: Connection, names: Names, meters: Meters, rows: list[TileRow]) -> list[TileRow]:
    slots = {row.mid: row.slots for row in rows}
    place = np.unique(np.concatenate([series.place for series in meters.values()]))
    times = rolls.hourly_times(*Series.apart(place))
    found = [TileRow(STAMPS, STAMPS, slots[STAMPS], rolls.encode_roll(times), b"")]
    for mid, series in meters.items():
        columns = hourly_columns(connection, names, mid, series)
        if len(series.ts) != len(place):
            columns |= _own_times(series, times, slots_of(slots[STAMPS]))
        tot = pack_total(series.ts, series.volume)
        found.append(TileRow(mid, STAMPS, slots[mid], rolls.encode_roll(columns), tot))
    return found


def _own_times(series: Series, times: rolls.Grids, slots: Integers) -> dict[int, Volumes]:
    """Counts and times of a meter; nothing when they are those of all stamps of its slots."""
    own = rolls.hourly_times(series.slot, series.ts)
    cells = np.repeat(np.isin(slots, series.slot), rolls.HOURS)
    alike = all(np.array_equal(own[number], times[number][cells]) for number in own)
    return {} if alike else own


def hourly_columns(connection: Connection, names: Names, mid: int, series: Series) -> dict[int, Volumes]:
    """The figures of a meter for each hour of the slots it has, without its counts and times."""
    slot, ts, volume = series.slot, series.ts, series.volume
    found = rolls.hourly_values(slot, ts, volume)
    if names.meter(mid).type == "cumulative":
        generation = _generations(connection, names, series.ver)
        return found | rolls.hourly_counters(slot, ts, volume, series.ver, generation)
    return found | rolls.hourly_spread(slot, ts, volume)


def _generations(connection: Connection, names: Names, ver: Integers) -> Integers:
    """A number for the generation of each version."""
    versions, at = np.unique(ver, return_inverse=True)
    names.learn_versions(connection, versions.tolist())
    numbers: dict[str | None, int] = {}
    generation = [
        numbers.setdefault(names.version(one).generation, len(numbers)) for one in versions.tolist()
    ]
    return np.array(generation, np.int64)[at]
