"""Seals hours: the rows of an hour that was closed become tiles.

Each step is one transaction of whoever has the turn; one that dies leaves everything as it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select

from storage.columns import Columns
from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.polled import PolledRows, explode, polled
from storage.sample import to_microseconds
from storage.tables import hot
from storage.tables_tiles import tile
from storage.tiles.layout import lay_out
from storage.tiles.rows import as_meters, as_rows, note_sightings
from storage.watermarks import HOUR, Watermarks, close, move, take_turn

ROWS_AT_ONCE = 20_000

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
        start, sizes = _next_hour(connection, marks)
        if start is None:
            move(connection, "sealed", marks.closed)
            return None
        readings = groups = 0
        for rows in _batches_of_groups(connection, start, sizes):
            sealed = self._seal_groups(connection, start, rows)
            readings, groups = readings + sealed.readings, groups + sealed.groups
        reach("seal.written")
        move(connection, "sealed", start + HOUR)
        reach("seal.moved")
        return Sealed(start, readings, groups)

    def _seal_groups(self, connection: Connection, start: int, rows: Iterable[PolledRows]) -> Sealed:
        by_group: dict[int, list[Columns]] = {}
        for found in explode(connection, self._names, rows, None):
            by_group.setdefault(found.gid, []).append(found)
        groups = {gid: as_meters(connection, self._names, gid, some) for gid, some in by_group.items()}
        written = [
            row
            for gid, meters in groups.items()
            for row in as_rows(gid, start, lay_out(meters, checked=False))
        ]
        connection.execute(insert(tile), written)
        note_sightings(connection, groups)
        readings = sum(len(series.ts) for meters in groups.values() for series in meters.values())
        return Sealed(start, readings, len(groups))


def _next_hour(connection: Connection, marks: Watermarks) -> tuple[int | None, Sizes]:
    """The earliest closed hour with rows, and how many each group has; None without one.

    Mostly it is the next one: only where it is empty the rest is searched.
    """
    if marks.sealed and (sizes := _sizes(connection, marks.sealed)):
        return marks.sealed, sizes
    closed = and_(hot.c.ts >= marks.sealed, hot.c.ts < marks.closed)
    earliest = connection.execute(select(func.min(hot.c.ts)).where(closed)).scalar()
    if earliest is None:
        return None, []
    start = earliest - earliest % HOUR
    return start, _sizes(connection, start)


def _sizes(connection: Connection, start: int) -> Sizes:
    groups = select(hot.c.gid, func.count()).where(_hour(start)).group_by(hot.c.gid).order_by(hot.c.gid)
    return [(gid, count) for gid, count in connection.execute(groups)]


def _hour(start: int) -> ColumnElement[bool]:
    return and_(hot.c.ts >= start, hot.c.ts < start + HOUR)


def _batches_of_groups(connection: Connection, start: int, sizes: Sizes) -> Iterator[Iterable[PolledRows]]:
    """The rows of an hour, some groups at a time."""
    for first, last in _batches(sizes):
        some = "ts >= %s AND ts < %s AND gid BETWEEN %s AND %s", (start, start + HOUR, first, last)
        yield from polled(connection, hot, some, in_pages=False)


def _batches(sizes: Sizes) -> Iterator[tuple[int, int]]:
    """First and last group of each batch of groups that is read at once."""
    batch: list[int] = []
    total = 0
    for gid, count in sizes:
        if batch and total + count > ROWS_AT_ONCE:
            yield batch[0], batch[-1]
            batch, total = [], 0
        batch.append(gid)
        total += count
    if batch:
        yield batch[0], batch[-1]
