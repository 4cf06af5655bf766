"""Everything the bench calls of Nephometer."""

from collections.abc import Iterable, Iterator, Sequence

from bench.oracle import Figures, Reading
from bench.workload import FLAVORS, METERS, Workload, generation, metadata, project_name, resource_name
from collector.envelope import encode_batch
from storage.database import Database
from storage.migrate import upgrade
from storage.partitions import Partitions
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.sample import Sample, StoredSample, from_microseconds, to_microseconds
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.statistics import Statistics

PLACES = {meter.name: place for place, meter in enumerate(METERS)}
HOUR_S = 3600

# One reading of all meters of an instance: (instance, poll).
Visit = tuple[int, int]
Batch = Sequence[Sample]


class Store:
    """A database with our schema, used as the collector and the API use it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(DatabaseSettings(url=url))
        self._samples, self._statistics = Samples(self._database), Statistics(self._database)
        self._partitions = Partitions(self._database)

    @classmethod
    def create(cls, url: str) -> "Store":
        """The store of an empty database."""
        store = cls(url)
        upgrade(store._database)
        return store

    def close(self) -> None:
        self._database.dispose()

    def store(self, batch: Batch, at: int) -> int:
        """Keeps a batch in one transaction; returns how many readings were new."""
        return self._samples.store(batch, received_at=from_microseconds(at)).new

    def make_ahead(self, now: int) -> None:
        """What has to be there before samples of this hour come."""
        self._partitions.make_ahead(from_microseconds(now))

    def maintain(self, now: int) -> None:
        """Everything the maintenance loop would have done by then."""
        self.make_ahead(now)

    def count(self, workload: Workload) -> int:
        """How many readings of the workload's time the store answers for, of all meters."""
        queries = (_query(workload, place, EVERYTHING) for place in range(len(METERS)))
        return sum(row.count for query in queries for row in self._statistics.compute(StatisticsQuery(query)))

    def project_by_hour(self, workload: Workload, meter: int, project: int) -> list[StatisticsRow]:
        """Figures of each resource of a project in each hour."""
        query = _query(workload, meter, Scope(project_name(project)))
        return self._statistics.compute(StatisticsQuery(query, HOUR_S, ("resource_id",)))

    def resource_by_hour(self, workload: Workload, meter: int, instance: int) -> list[StatisticsRow]:
        """Figures of one resource in each hour."""
        query = _query(workload, meter, EVERYTHING, resource_name(instance))
        return self._statistics.compute(StatisticsQuery(query, HOUR_S, ("resource_id",)))

    def cloud_by_project(self, workload: Workload, meter: int) -> list[StatisticsRow]:
        """Figures of each project over the whole time."""
        query = _query(workload, meter, EVERYTHING)
        return self._statistics.compute(StatisticsQuery(query, None, ("project_id",)))

    def latest(self, workload: Workload, meter: int, project: int) -> list[StoredSample]:
        """The latest reading of each resource of a project."""
        query = SampleQuery(Scope(project_name(project)), meter=METERS[meter].name)
        found = self._samples.find(query, 2 * workload.size.project)
        latest = {stored.sample.resource_id: stored for stored in reversed(found)}
        return list(latest.values())

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


def visits_at(workload: Workload, poll: int) -> list[Visit]:
    """One cycle of the whole cloud, in the order the nodes deliver it."""
    return [(instance, poll) for members in workload.messages(poll) for instance in members]


def batch(workload: Workload, visits: Iterable[Visit]) -> Batch:
    """What the pipeline hands to the store of these visits."""
    return [sample for visit in visits for sample in _samples(workload, visit)]


def bodies(workload: Workload, poll: int) -> Iterator[bytes]:
    """The messages of one poll, as the agents send them."""
    for members in workload.messages(poll):
        yield encode_batch(batch(workload, ((instance, poll) for instance in members)))


def answer(rows: Iterable[StatisticsRow]) -> dict[tuple[int, int], Figures]:
    """Statistics in the oracle's words."""
    found = {}
    for row in rows:
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


def _samples(workload: Workload, visit: Visit) -> Iterator[Sample]:
    instance, poll = visit
    life = int(workload.lives[instance, poll])
    at = from_microseconds(int(workload.times[instance, poll]))
    around = metadata(instance, workload.phases[instance][life])
    name, project = resource_name(instance), project_name(workload.project_of(instance))
    for place, meter in enumerate(METERS):
        yield Sample(
            meter.name,
            meter.type,
            meter.unit,
            workload.volumes[place][instance, poll].item(),
            name,
            project,
            at,
            user_id=f"user-{instance % 50}",
            metadata=around,
            generation=generation(instance, life) if meter.type == "cumulative" else None,
        )
