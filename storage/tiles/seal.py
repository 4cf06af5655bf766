"""Seals hours: the rows of an hour that was closed become tiles.

Each step is one transaction of whoever has the turn; one that dies leaves everything as it was.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import Connection, and_, func, select

from storage.columns import Columns
from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.reading.asking import put
from storage.reading.polled import Condition, PolledRows, compete, explode, polled
from storage.sample import to_microseconds
from storage.tables import hot
from storage.tables_tiles import tile
from storage.tiles.layout import lay_out
from storage.tiles.rows import as_meters, as_rows, note_sightings
from storage.watermarks import HOUR, Watermarks, close, move, take_turn

ROWS_AT_ONCE = 20_000
LAST_GROUP = (1 << 31) - 1

Sizes = list[tuple[int, int]]  # groups and their rows


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one step did: the beginning of the hour or day (microseconds since 1970 UTC), its readings and groups."""

    start: int
    readings: int
    groups: int


class Sealer:
    """Turns `hot` into `tile`, an hour at a time. Rows stay in `hot` until their partition is dropped."""

    def __init__(self, database: Database, *, grace: timedelta) -> None:
        self._database = database
        self._grace = grace
        self._names = Names()
        self._closed = 0
        self._compete = False  # whether some group had readings of one kind in rows of several shapes
        self._sizes: Sizes = []  # of the hour before
        self.sealed = 0  # how far, as this process knows: others may have come farther

    def close(self, now: datetime) -> None:
        """Closes the hours that ended longer ago than the grace time: what comes for them from now on is late.

        Waits for the transactions that are being written. Raises as `Database.write_retrying` does.
        """
        ended = to_microseconds(now - self._grace)
        target = ended - ended % HOUR
        if target <= self._closed:
            return
        self._database.write_retrying(lambda connection: close(connection, target))
        self._closed = target
        reach("seal.closed")

    def step(self) -> Sealed | None:
        """Seals the earliest hour that is closed and not sealed; None when there is none.

        Asks nobody once it sealed all that it closed.
        """
        if 0 < self._closed <= self.sealed:
            return None
        self._names.forget()
        found = self._database.write_retrying(self._seal)
        self.sealed = found.start + HOUR if found else self._closed
        return found

    def _seal(self, connection: Connection) -> Sealed | None:
        marks = take_turn(connection)
        if marks.sealed >= marks.closed:
            return None
        found = (
            self._seal_hour(connection, marks.sealed, self._sizes) if marks.sealed and self._sizes else None
        )
        if found is None:  # mostly it is the next one: only where that is empty the rest is searched
            start, sizes = _next_hour(connection, marks)
            if start is None:
                move(connection, "sealed", marks.closed)
                return None
            found = self._seal_hour(connection, start, sizes) or Sealed(start, 0, 0)
        reach("seal.written")
        move(connection, "sealed", found.start + HOUR)
        reach("seal.moved")
        return found

    def _seal_hour(self, connection: Connection, start: int, sizes: Sizes) -> Sealed | None:
        """Writes the tiles of an hour, some groups at a time; None when it is empty.

        `sizes` tell how much may be read at once: those of the hour before will do.
        """
        readings = 0
        now: Sizes = []
        for first, last in _batches(sizes):
            some = "ts >= %s AND ts < %s AND gid BETWEEN %s AND %s", (start, start + HOUR, first, last)
            for rows in self._read(connection, some):
                readings += self._seal_groups(connection, start, rows)
                now += _counted(rows)
        if now:
            self._sizes = sorted(now)
        return Sealed(start, readings, len(now)) if now else None

    def _read(self, connection: Connection, some: Condition) -> list[list[PolledRows]]:
        """Rows of `hot`; when they arrived is asked only where that decides which of two readings came first."""
        found = list(polled(connection, hot, some, arrivals=self._compete, in_pages=False))
        if self._compete or not compete(connection, self._names, chain.from_iterable(found)):
            return found
        self._compete = True
        return list(polled(connection, hot, some, in_pages=False))

    def _seal_groups(self, connection: Connection, start: int, rows: Iterable[PolledRows]) -> int:
        by_group: dict[int, list[Columns]] = {}
        for found in explode(connection, self._names, rows, None):
            by_group.setdefault(found.gid, []).append(found)
        groups = {gid: as_meters(connection, self._names, gid, some) for gid, some in by_group.items()}
        written = [row for gid, meters in groups.items() for row in as_rows(gid, start, lay_out(meters))]
        put(connection, tile, written)
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


def _counted(rows: Iterable[PolledRows]) -> Sizes:
    sizes = Counter[int]()
    for some in rows:
        sizes[some.gid] += len(some.ts)
    return list(sizes.items())


def _batches(sizes: Sizes) -> Iterator[tuple[int, int]]:
    """First and last group of each batch of groups that is read at once; together they are all there can be."""
    begin = total = 0
    for gid, count in sizes:
        if total and total + count > ROWS_AT_ONCE:
            yield begin, gid - 1
            begin, total = gid, 0
        total += count
    yield begin, LAST_GROUP
