"""Everything the bench calls of Nephometer."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from bench.oracle import Figures, Reading
from bench.rows import WrongAnswer
from bench.workload import FLAVORS, METERS, Workload, project_name, resource_name
from collector.columns import join
from collector.frame import take_apart
from storage.database import Database
from storage.ingest.batch import SampleBatch
from storage.migrate import upgrade
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, StatisticsQuery
from storage.reading.answers import StatisticsTable
from storage.sample import StoredSample, from_microseconds, to_microseconds
from storage.samples import Samples
from storage.series import Series
from storage.settings import DatabaseSettings, MaintenanceSettings, RetentionSettings
from storage.statistics import Statistics
from storage.tiles.kept_rows import KeptRows
from storage.upkeep.maintenance import Done, Maintenance
from storage.upkeep.partitions import Partitions

PLACES = {meter.name: place for place, meter in enumerate(METERS)}
HOUR_S = 3600


class Store:
    """A database with our schema, used as the collector and the API use it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(DatabaseSettings(url=url))
        kept_rows = KeptRows()
        self._samples, self._statistics = Samples(self._database, kept_rows), Statistics(self._database)
        self._series = Series(self._database)
        self._partitions = Partitions(self._database)
        settings = self._database, MaintenanceSettings(), RetentionSettings()
        self._maintenance = Maintenance(*settings, waits=True, kept_rows=kept_rows)
        self._by_hand = Maintenance(*settings)

    @classmethod
    def create(cls, url: str) -> "Store":
        """The store of an empty database."""
        store = cls(url)
        upgrade(store._database)
        return store

    def close(self) -> None:
        self._database.dispose()

    def store(self, batch: SampleBatch, at: int) -> int:
        """Keeps a batch in one transaction; returns how many readings were new."""
        return self._samples.store_batch(batch, received_at=from_microseconds(at)).new

    def make_ahead(self, now: int) -> None:
        """What has to be there before samples of this hour come."""
        self._partitions.make_ahead(from_microseconds(now))

    def maintain(self, now: int) -> None:
        """Everything the maintenance loop would have done by then."""
        _finish(self._maintenance, now)

    def maintain_by_hand(self, now: int) -> None:
        """What `nephometer db maintain` does: hours of few samples are sealed, too."""
        _finish(self._by_hand, now)

    def count(self, workload: Workload) -> int:
        """How many readings of the workload's time the store answers for, of all meters."""
        queries = (_query(workload, place, EVERYTHING) for place in range(len(METERS)))
        return sum(row.count for query in queries for row in self._statistics.compute(StatisticsQuery(query)))

    def of_meter(self, meter: str, start: datetime, end: datetime) -> tuple[int, float]:
        """How many readings of a meter there are in this time, and their sum."""
        query = SampleQuery(EVERYTHING, meter=meter, start=start, end=end)
        rows = self._statistics.compute(StatisticsQuery(query))
        return sum(row.count for row in rows), sum(float(row.total) for row in rows)

    def project_by_hour(self, workload: Workload, meter: int, project: int) -> StatisticsTable:
        """Figures of each resource of a project in each hour."""
        query = _query(workload, meter, Scope(project_name(project)))
        return self._statistics.table(StatisticsQuery(query, HOUR_S, ("resource_id",)))

    def cloud_by_project(self, workload: Workload, meter: int) -> StatisticsTable:
        """Figures of each project over the whole time."""
        query = _query(workload, meter, EVERYTHING)
        return self._statistics.table(StatisticsQuery(query, None, ("project_id",)))

    def latest(self, workload: Workload, meter: int, project: int) -> list[StoredSample]:
        """The latest reading of each resource of a project."""
        query = SampleQuery(Scope(project_name(project)), meter=METERS[meter].name)
        return self._series.latest(query, workload.size.project)

    def of_resource_since(self, instance: int, since: int) -> list[StoredSample]:
        """Every reading of a resource since a moment."""
        start = from_microseconds(since)
        return self._samples.find(
            SampleQuery(EVERYTHING, resource_id=resource_name(instance), start=start), 1000
        )

    def newest_of_flavor(self, meter: int, project: int, flavor: int, limit: int) -> list[StoredSample]:
        """The newest readings of a project's instances while they had this flavour."""
        name = FLAVORS[flavor].name
        query = SampleQuery(
            Scope(project_name(project)),
            meter=METERS[meter].name,
            metadata=(MetadataMatch("flavor.name", name, name),),
        )
        return self._samples.find(query, limit)


def _finish(work: Maintenance, now: int) -> None:
    done = Done(is_finished=False)
    while not done.is_finished:
        done = work.turn(from_microseconds(now))
    if work.damaged:
        raise WrongAnswer(f"damaged tiles: {work.damaged}")


def decoded(body: bytes) -> int:
    """Reads an agent's message, names and columns, and nothing more; returns how many samples it holds."""
    parts = take_apart(body)
    msgspec.json.decode(parts.text)
    columns = join([parts])
    return len(columns.polled.readings) + len(columns.deltas.ts)


def decoded_notification(body: bytes) -> int:
    """Reads a notification, its envelope and what is in it, and nothing more; returns that it was one."""
    msgspec.json.decode(msgspec.json.decode(body)["oslo.message"])
    return 1


def answer(table: StatisticsTable) -> dict[tuple[int, int], Figures]:
    """Statistics in the oracle's words."""
    found = {}
    for row in table.rows():
        group = next(name for name in row.groups.values() if name is not None)
        start = to_microseconds(row.period_start) if row.period_start else 0
        found[number(group), start] = Figures(row.count, row.total, row.minimum, row.maximum)
    return found


def readings(found: Iterable[StoredSample]) -> list[Reading]:
    """Samples in the oracle's words, newest first."""
    told = [
        Reading(
            number(stored.sample.resource_id),
            PLACES[stored.sample.meter],
            to_microseconds(stored.sample.timestamp),
            stored.sample.volume,
        )
        for stored in found
    ]
    return sorted(told, key=lambda reading: -reading.at)


def number(name: str) -> int:
    """The instance or project of a name."""
    return int(name[:8], 16)


def _query(workload: Workload, meter: int, scope: Scope, resource_id: str | None = None) -> SampleQuery:
    return SampleQuery(
        scope,
        meter=METERS[meter].name,
        resource_id=resource_id,
        start=from_microseconds(workload.begin),
        end=from_microseconds(workload.end),
    )
