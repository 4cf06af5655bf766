"""Seals hours: the rows of hours that were closed become tiles.

Each step is one transaction of whoever has the turn; one that dies leaves everything as it was. What a transaction
and a tile cost is worth it for many readings only, so hours with few of them are sealed together.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, select

from storage.columns import Columns
from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.reading.asking import put
from storage.reading.gathered import gathered
from storage.reading.polled import Condition, PolledRows, compete, explode
from storage.sample import to_microseconds
from storage.tables import hot
from storage.tables_tiles import tile
from storage.tiles.kept_days import KeptDays
from storage.tiles.kept_rows import KeptRows
from storage.tiles.plans import lay_out_spans
from storage.tiles.rows import as_meters, as_rows, note_sightings
from storage.watermarks import BLOCK, HOUR, Watermarks, close, move, take_turn

ROWS_AT_ONCE = 20_000
TOGETHER = 100_000  # readings that are worth a transaction
LAST_GROUP = (1 << 31) - 1

Sizes = list[tuple[int, int]]  # groups and their rows in an hour


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one step did: the beginning of the hours or day (microseconds since 1970 UTC), its readings and groups."""

    start: int
    readings: int
    groups: int
    hours: int = 1


class Sealer:
    """Turns `hot` into `tile`, some hours at a time. Rows stay in `hot` until their partition is dropped.

    Hours of few readings are left open until there are `waits_for` of them, or until their block is over.
    """

    def __init__(
        self,
        database: Database,
        *,
        grace: timedelta,
        waits_for: int = 0,
        kept_rows: KeptRows | None = None,
        kept_days: KeptDays | None = None,
    ) -> None:
        self._database = database
        self._grace = grace
        self._waits_for = waits_for
        self._kept_rows, self._kept_days = kept_rows, kept_days
        self._names = Names()
        self._closed = 0
        self._together = 1  # hours
        self._compete = False  # whether some group had readings of one kind in rows of several shapes
        self._sizes: Sizes = []  # of the hours before
        self.sealed = 0  # how far, as this process knows: others may have come farther

    @property
    def rows_an_hour(self) -> int:
        """Of `hot`, in the hours sealed last; 0 where this process sealed none."""
        return sum(rows for _, rows in self._sizes)

    def close(self, now: datetime) -> None:
        """Closes the hours that ended longer ago than the grace time: what comes for them from now on is late.

        Waits for the transactions that are being written. Raises as `Database.write_retrying` does.
        """
        ended = to_microseconds(now - self._grace)
        target = ended - ended % HOUR
        if target <= self._closed or (self._waits_for and not self._is_worth_it(target)):
            return
        self._database.write_retrying(lambda connection: close(connection, target))
        self._closed = target
        reach("seal.closed")

    def step(self) -> Sealed | None:
        """Seals the earliest hours that are closed and not sealed; None when there are none.

        Asks nobody once it sealed all that it closed.
        """
        if 0 < self._closed <= self.sealed:
            return None
        self._names.forget()
        found = self._database.write_retrying(self._seal)
        self.sealed = found.start + found.hours * HOUR if found else self._closed
        return found

    def _is_worth_it(self, end: int) -> bool:
        """Whether enough hours ended before `end`; unknown to a new process, which then seals what there is."""
        return end >= self.sealed + self._together * HOUR or end // BLOCK > self.sealed // BLOCK

    def _seal(self, connection: Connection) -> Sealed | None:
        marks = take_turn(connection)
        if marks.sealed >= marks.closed:
            return None
        found = (
            self._seal_hours(connection, marks.sealed, self._end(marks), self._sizes)
            if marks.sealed and self._sizes
            else None
        )
        if found is None:  # mostly there are some: only where there are none the rest is searched
            start, sizes = _next_hour(connection, marks)
            if start is None:
                move(connection, "sealed", marks.closed)
                return None
            found = self._seal_hours(connection, start, start + HOUR, sizes) or Sealed(start, 0, 0)
        reach("seal.written")
        move(connection, "sealed", found.start + found.hours * HOUR)
        reach("seal.moved")
        return found

    def _end(self, marks: Watermarks) -> int:
        """How far the next step goes: not beyond a block."""
        start = marks.sealed
        return min(start + self._together * HOUR, start - start % BLOCK + BLOCK, marks.closed)

    def _seal_hours(self, connection: Connection, start: int, end: int, sizes: Sizes) -> Sealed | None:
        """Writes the tiles of some hours, some groups at a time; None when they are empty.

        `sizes` tell how much may be read at once: those of the hour before will do.
        """
        hours = (end - start) // HOUR
        readings = 0
        now: Sizes = []
        kept = None if self._kept_rows is None else self._kept_rows.taken(connection, start, end)
        for first, last in _batches(sizes, hours):
            if kept is None:
                some = "ts >= %s AND ts < %s AND gid BETWEEN %s AND %s", (start, end, first, last)
                rows = self._read(connection, some)
            else:
                rows = [one for one in kept if first <= one.gid <= last]
            readings += self._seal_groups(connection, start, rows)
            now += _counted(rows, hours)
        if not now:
            return None
        self._sizes = sorted(now)
        enough = (self._waits_for or TOGETHER) * hours // max(1, readings)
        self._together = max(1, min(enough, BLOCK // HOUR))
        return Sealed(start, readings, len(now), hours)

    def _read(self, connection: Connection, some: Condition) -> list[PolledRows]:
        """Rows of `hot`; when they arrived is asked only where that decides which of two readings came first."""
        found = gathered(connection, self._names, some, arrivals=self._compete)
        if self._compete or not compete(connection, self._names, found):
            return found
        self._compete = True
        return gathered(connection, self._names, some, arrivals=True)

    def _seal_groups(self, connection: Connection, start: int, found: Iterable[PolledRows]) -> int:
        by_group: dict[int, list[Columns]] = {}
        for columns in explode(connection, self._names, found, None):
            by_group.setdefault(columns.gid, []).append(columns)
        groups = {gid: as_meters(connection, self._names, gid, some) for gid, some in by_group.items()}
        tiles = dict(zip(groups, lay_out_spans(list(groups.values())), strict=True))
        put(connection, tile, [row for gid, rows in tiles.items() for row in as_rows(gid, start, rows)])
        if self._kept_days is not None:
            for gid, meters in groups.items():
                self._kept_days.keep(gid, meters, start, tiles[gid])
        if groups:
            note_sightings(connection, groups)
        return sum(len(series.ts) for meters in groups.values() for series in meters.values())


def _next_hour(connection: Connection, marks: Watermarks) -> tuple[int | None, Sizes]:
    """The earliest closed hour with rows, and how many each group has; None without one."""
    closed = and_(hot.c.ts >= marks.sealed, hot.c.ts < marks.closed)
    earliest = connection.execute(select(func.min(hot.c.ts)).where(closed)).scalar()
    if earliest is None:
        return None, []
    start = earliest - earliest % HOUR
    of_hour = and_(hot.c.ts >= start, hot.c.ts < start + HOUR)
    groups = select(hot.c.gid, func.count()).where(of_hour).group_by(hot.c.gid).order_by(hot.c.gid)
    return start, [(gid, count) for gid, count in connection.execute(groups)]


def _counted(rows: Iterable[PolledRows], hours: int) -> Sizes:
    """The rows of each group in one of so many hours."""
    sizes = Counter[int]()
    for some in rows:
        sizes[some.gid] += len(some.ts)
    return [(gid, -(-count // hours)) for gid, count in sizes.items()]


def _batches(sizes: Sizes, hours: int) -> Iterator[tuple[int, int]]:
    """First and last group of each batch of groups that is read at once; together they are all there can be."""
    begin = total = 0
    for gid, count in sizes:
        if total and (total + count) * hours > ROWS_AT_ONCE:
            yield begin, gid - 1
            begin, total = gid, 0
        total += count
    yield begin, LAST_GROUP
