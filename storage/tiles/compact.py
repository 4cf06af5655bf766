"""Compacts days: the hour tiles of a group become a day tile, with hourly figures beside it."""

import numpy as np
from sqlalchemy import Connection

from storage.columns import Integers, Volumes
from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.reading.asking import ask, put
from storage.reading.sealed import whole_series
from storage.reading.tiled import Piece
from storage.tables_tiles import STAMPS, day_roll, day_tile, tile
from storage.tiles import rolls
from storage.tiles.damaged import Damaged
from storage.tiles.figures import Cells, Day
from storage.tiles.kept_days import KeptDays
from storage.tiles.layout import Series, TileRow
from storage.tiles.plans import lay_out, stamps_of
from storage.tiles.rows import Meters, as_rows, delete_span, merged_meters
from storage.tiles.seal import Sealed
from storage.upkeep.tidying import tidy
from storage.watermarks import DAY, Watermarks, move, take_turn

GROUPS_AT_ONCE = 16

_GROUPS = f"SELECT DISTINCT gid FROM tile WHERE mid = {STAMPS} AND start >= %s AND start < %s"  # noqa: S608 - ours
_EARLIEST = f"SELECT min(start) FROM tile WHERE mid = {STAMPS} AND start >= %s"  # noqa: S608 - ours


class Compactor:
    """Turns `tile` into `day_tile` and `day_roll`, some groups of a day at a time.

    Groups' days with a damaged tile are passed over and listed in `damaged`.
    """

    def __init__(self, database: Database, kept_days: KeptDays | None = None) -> None:
        self.damaged = Damaged()
        self._kept_days = kept_days
        self._database = database
        self._names = Names()
        self._has_removed = False
        self._is_through = False

    def step(self) -> Sealed | None:
        """Compacts some groups of the earliest day that is over and not compacted; None when there is none.

        Asks nobody once it knows that it compacted the last ones.
        """
        self._names.forget()
        found, was_through = None, self._is_through
        self._is_through = False
        if not was_through:
            found, self._is_through = self.damaged.passing(
                lambda: self._database.write_retrying(self._compact)
            )
        if found is None and self._has_removed:
            tidy(self._database, tile)
        self._has_removed = found is not None
        return found

    def _compact(self, connection: Connection) -> tuple[Sealed | None, bool]:
        """What was compacted, and whether that was the last there is to do now."""
        marks = take_turn(connection)
        is_through = False
        over = marks.sealed - marks.sealed % DAY
        earliest = earliest_tile(connection, marks, self.damaged)
        day = over if earliest is None else min(earliest - earliest % DAY, over)
        reached = min(day, *(damaged for _, damaged in self.damaged.found)) if self.damaged.found else day
        if day < over:
            chosen = f"{_GROUPS}{self.damaged.others('start')} ORDER BY gid LIMIT {GROUPS_AT_ONCE}"
            gids = [gid for (gid,) in ask(connection, chosen, (day, day + DAY))]
            readings = sum(self._compact_group(connection, gid, day) for gid in gids)
            reach("compact.written")
            if len(gids) < GROUPS_AT_ONCE and not self.damaged.found:
                reached = day + DAY
                is_through = reached >= over
        if marks.compacted != max(reached, marks.raw_from):
            move(connection, "compacted", max(reached, marks.raw_from))
        return (Sealed(day, readings, len(gids)), is_through) if day < over else (None, False)

    def _compact_group(self, connection: Connection, gid: int, day: int) -> int:
        self.damaged.at = (gid, day)
        parts = self._parts(connection, gid, day)
        meters = merged_meters(parts)
        self._names.learn_meters(connection, meters)
        delete_span(connection, tile, gid, day, day + DAY)
        reach("compact.deleted")
        write_day(connection, self._names, gid, day, meters)
        return sum(len(series.ts) for series in meters.values())

    def _parts(self, connection: Connection, gid: int, day: int) -> dict[int, list[Series]]:
        """What there is of a group's day: in a day tile, and in hour tiles."""
        parts: dict[int, list[Series]] = {}
        known = None if self._kept_days is None else self._kept_days.taken(connection, gid, day)
        piece = Piece(gid, None, None, day, day + DAY)
        for table in (day_tile, tile) if known is None else (day_tile,):
            for mid, series in whole_series(connection, table, piece):
                parts.setdefault(mid, []).append(series)
        for mid, some in (known or {}).items():
            parts.setdefault(mid, []).extend(some)
        return parts


def earliest_tile(connection: Connection, marks: Watermarks, damaged: Damaged) -> int | None:
    """The beginning of the earliest hour tile whose samples are kept and that can be read; None without one."""
    ((found,),) = ask(connection, f"{_EARLIEST}{damaged.others('start')}", (marks.raw_from,))
    earliest: int | None = found
    return earliest


def write_day(connection: Connection, names: Names, gid: int, day: int, meters: Meters) -> None:
    """The rows of a group's day in `day_tile` and `day_roll`, instead of any there are."""
    for table in (day_tile, day_roll):
        delete_span(connection, table, gid, day, day + DAY)
    if not meters:
        return
    rows = lay_out(meters)
    put(connection, day_tile, as_rows(gid, day, rows))
    put(connection, day_roll, as_rows(gid, day, _rolled(connection, names, meters, rows)))


def _rolled(connection: Connection, names: Names, meters: Meters, rows: list[TileRow]) -> list[TileRow]:
    of = {row.mid: row for row in rows}
    slot, ts = Series.apart(stamps_of(meters))
    whole = Cells(slot, ts)
    times = whole.times(ts)
    grids: dict[int, rolls.Grids] = {}
    shared: dict[int, Cells] = {}  # readings that came together share their arrays
    generations = Generations(connection, names)
    for mid, series in meters.items():
        if id(series.ts) not in shared:
            shared[id(series.ts)] = Cells(series.slot, series.ts)
        cells = shared[id(series.ts)]
        columns = hourly_columns(names, mid, series, cells, generations)
        if len(series.ts) != len(ts):
            columns |= _own_times(cells.times(series.ts), cells, times, whole)
        grids[mid] = columns
    blocks = rolls.encode_rolls(list(grids.values()))
    stamps = TileRow(STAMPS, STAMPS, of[STAMPS].slots, rolls.encode_shared(whole.slots, times), b"")
    figures = [
        TileRow(mid, STAMPS, of[mid].slots, block, of[mid].tot)
        for mid, block in zip(grids, blocks, strict=True)
    ]
    return [stamps, *figures]


def hourly_columns(
    names: Names, mid: int, series: Series, cells: Cells, generations: "Generations"
) -> dict[int, Volumes]:
    """The hourly figures of a meter's day, without counts and times."""
    figures = Day(cells, series.volume)
    if names.meter(mid).type == "cumulative":
        return figures.values() | figures.counters(series.ver, generations.of(series.ver))
    return figures.values() | figures.spread()


def _own_times(own: dict[int, Volumes], cells: Cells, times: rolls.Grids, whole: Cells) -> dict[int, Volumes]:
    """Counts and times of a meter; nothing when they are those of all stamps of its slots."""
    of_slots = np.repeat(np.isin(whole.slots, cells.slots), rolls.HOURS)
    alike = all(np.array_equal(own[number], times[number][of_slots]) for number in own)
    return {} if alike else own


class Generations:
    """The generations of versions, looked up once for all meters that share an array of them."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._names = connection, names
        self._known: dict[int, tuple[Integers, Integers]] = {}

    def of(self, ver: Integers) -> Integers:
        """A number for the generation of each version."""
        if id(ver) not in self._known:
            self._known[id(ver)] = ver, self._numbered(ver)
        return self._known[id(ver)][1]

    def _numbered(self, ver: Integers) -> Integers:
        begins = np.flatnonzero(np.diff(ver, prepend=-1))  # a version lasts
        versions, at = np.unique(ver[begins], return_inverse=True)
        self._names.learn_generations(self._connection, versions.tolist())
        numbers: dict[str | None, int] = {}
        named = map(self._names.generation, versions.tolist())
        generation = [numbers.setdefault(one, len(numbers)) for one in named]
        return np.repeat(np.array(generation, np.int64)[at], np.diff(begins, append=len(ver)))
