"""Statistics of a meter: exact, and the same whatever order the readings come in and whichever layer holds them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from storage.columns import Columns, Figures, Wanted
from storage.database import Database
from storage.names import Names
from storage.query import SampleQuery, StatisticsQuery, StatisticsRow
from storage.reading.allocation import keep_freed_memory
from storage.reading.answers import StatisticsTable
from storage.reading.brief import Brief
from storage.reading.counting import count
from storage.reading.hours import Hours
from storage.reading.lines import Grain, gather
from storage.reading.overall import Overall
from storage.reading.readings import Reader
from storage.sample import from_microseconds, to_microseconds
from storage.watermarks import look

MICROSECONDS = 1_000_000

Blocks = Iterable[Columns | Figures]


class Statistics:
    """Answers statistics questions."""

    def __init__(self, database: Database) -> None:
        keep_freed_memory()
        self._database = database
        self._names = Names()
        self._brief = Brief(database)
        self._overall = Overall(database)

    def compute(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """One row per period, group and unit that holds a sample, in this order."""
        return list(self.table(query).rows())

    def table(self, query: StatisticsQuery) -> StatisticsTable:
        """The same as columns: for many rows, which take longer to become objects than to be counted."""
        breaks = self._database.breaks
        found = self._short(self._names.lent(breaks), query)
        if found is not None and breaks == self._database.breaks:
            return found
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            reader = Reader(names)
            grain, blocks = _ask(reader, connection, query)
            parts = gather(blocks, grain)
        self._brief.remember(reader.moment)
        self._overall.remember(reader.moment)
        return count(query, parts, grain, names)

    def _short(self, names: Names, query: StatisticsQuery) -> StatisticsTable | None:
        """The same by a single statement, where that will do."""
        start, keys = query.samples.start, {*query.groupby, *query.cardinality}
        if start is None or not keys <= {"resource_id", "project_id"}:
            return None
        hours = self._brief.by_hour(names, query)
        if hours is not None:
            return hours.table() if isinstance(hours, Hours) else hours
        grain = _grain(query, to_microseconds(start))
        found = self._brief.figures(names, query.samples, grain.wanted)
        if found is not None:
            return count(query, gather(found, grain), grain, names)
        return self._overall.table(names, query, grain)

    async def soon(self, query: StatisticsQuery) -> Hours | StatisticsTable | None:
        """The same for an event loop, where one short statement tells; None where a thread has to ask for `table`."""
        keys = {*query.groupby, *query.cardinality}
        if query.samples.start is None or not keys <= {"resource_id", "project_id"}:
            return None
        return await self._brief.by_hour_soon(self._names.lent(self._database.breaks), query)


def _grain(query: StatisticsQuery, origin: int) -> Grain:
    """What to keep apart, in periods from this time on."""
    keys = {*query.groupby, *query.cardinality}
    width = query.period_s * MICROSECONDS if query.period_s is not None else None
    wanted = Wanted(width, origin, "resource_id" in keys, query.stddev)
    return Grain(wanted, not keys <= {"resource_id", "project_id"}, "project_id" in keys)


def _ask(reader: Reader, connection: Connection, query: StatisticsQuery) -> tuple[Grain, Blocks]:
    """What to keep apart, and what to count."""
    by_version = _grain(query, 0).by_version
    start, origin = query.samples.start, 0
    kept: Sequence[Columns] | None = None
    if start is not None:
        origin = to_microseconds(start)
    elif query.period_s is not None and by_version:
        kept = list(reader.columns(connection, query.samples))
        origin = min((int(one.ts.min()) for one in kept if len(one.ts)), default=0)
    elif query.period_s is not None:
        origin = _first(reader, connection, query)
    grain = _grain(query, origin)
    if by_version:
        return grain, kept if kept is not None else reader.columns(connection, query.samples)
    if query.stddev:
        return grain, _readings_first(reader, connection, query.samples, grain.wanted)
    return grain, reader.figures(connection, query.samples, grain.wanted)


def _readings_first(reader: Reader, connection: Connection, samples: SampleQuery, wanted: Wanted) -> Blocks:
    """Figures only of times whose readings are gone: a spread that was kept has seven digits."""
    raw_from = look(connection).raw_from
    border = from_microseconds(raw_from)
    if raw_from and (samples.start is None or samples.start < border):
        reaches = samples.end is None or samples.end >= border
        old = replace(samples, end=border, end_closed=False) if reaches else samples
        yield from reader.figures(connection, old, wanted)
        samples = replace(samples, start=border, start_open=False)
    yield from reader.columns(connection, samples, versions=samples.looks_around)


def _first(reader: Reader, connection: Connection, query: StatisticsQuery) -> int:
    """The time of the first reading."""
    blocks = reader.figures(connection, query.samples, Wanted(by_resource=False))
    times = [one.first if isinstance(one, Figures) else one.ts for one in blocks]
    return min((int(some.min()) for some in times if len(some)), default=0)
