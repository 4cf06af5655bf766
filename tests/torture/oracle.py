"""What a store must answer, worked out from what it was told, without a line of the product's reading."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select

from storage.database import Database
from storage.quarantine import Quarantine
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.sample import Sample, from_microseconds
from storage.samples import Samples
from storage.statistics import Statistics
from storage.tables_events import event
from storage.watermarks import look
from tests.torture.life import BEGIN, Delivery, Life

METERS = ("memory", "load", "cpu", "image")
HOUR = timedelta(hours=1)

Figures = dict[tuple[object, ...], tuple[object, ...]]  # (count, least, most, sum, first, last) by group
Answers = dict[str, object]


class Oracle:
    """Knows every reading by what makes it one: the first that is told counts."""

    def __init__(self, life: Life = ()) -> None:
        self._known: dict[tuple[object, ...], Sample] = {}
        self._ancient: set[Sample] = set()
        self.events = 0
        for one in life:
            if isinstance(one, Delivery):
                self.hear(one)

    def hear(self, delivery: Delivery) -> None:
        """Takes in what was acknowledged."""
        self.events += 1
        for one in delivery.samples:
            if delivery.ancient:
                self._ancient.add(one)
            else:
                key = (one.id,) if one.id else (one.resource_id, one.meter, one.timestamp)
                self._known.setdefault(key, one)

    def answers(self, raw_from: datetime) -> Answers:
        """What `answers` must find; samples only from `raw_from` on."""
        known = self._known.values()
        return {
            "samples": Counter(_told(one) for one in known if one.timestamp >= raw_from),
            "hours": figures((_group(one, "resource_id"), one) for one in known),
            "projects": figures(
                ((one.meter, one.project_id), one) for one in known if one.timestamp >= raw_from
            ),
            "quarantined": len(self._ancient),
        }


def answers(database: Database) -> tuple[datetime, Answers]:
    """From when on there are samples, and what the store says."""
    with database.read() as connection:
        raw_from = from_microseconds(look(connection).raw_from)
    found = Samples(database).find(SampleQuery(EVERYTHING), 10**6)
    return raw_from, {
        "samples": Counter(_told(one.sample) for one in found),
        "hours": _hours(database),
        "projects": _projects(database, raw_from),
        "quarantined": Quarantine(database).count(),
    }


def assert_right(database: Database, *possible: Oracle) -> None:
    """The store answers as one of these says, in everything; what is said of a difference is that to the first.

    Events are stored before samples, so of them another one may be right.
    """
    with database.read() as connection:
        events = connection.execute(select(func.count()).select_from(event)).scalar_one()
    assert events in [oracle.events for oracle in possible]
    raw_from, found = answers(database)
    if any(found == oracle.answers(raw_from) for oracle in possible[1:]):
        return
    expected = possible[0].answers(raw_from)
    for name, answer in found.items():
        assert answer == expected[name], name


def figures(readings: Iterable[tuple[tuple[object, ...], Sample]]) -> Figures:
    """Figures of readings by their groups."""
    groups: dict[tuple[object, ...], list[Sample]] = {}
    for group, one in readings:
        groups.setdefault(group, []).append(one)
    return {group: _figures(some) for group, some in groups.items()}


def _figures(some: list[Sample]) -> tuple[object, ...]:
    volumes, times = [one.volume for one in some], [one.timestamp for one in some]
    return len(some), min(volumes), max(volumes), sum(volumes), min(times), max(times)


def _group(one: Sample, name: str) -> tuple[object, ...]:
    return one.meter, getattr(one, name), (one.timestamp - BEGIN) // HOUR


def _told(one: Sample) -> tuple[object, ...]:
    return one.meter, one.resource_id, one.project_id, one.timestamp, one.volume, str(one.metadata)


def _hours(database: Database) -> Figures:
    found: Figures = {}
    for meter in METERS:
        query = SampleQuery(EVERYTHING, meter=meter, start=BEGIN)
        for row in Statistics(database).compute(StatisticsQuery(query, 3600, ("resource_id",))):
            hour = (row.first - BEGIN) // HOUR
            key = (meter, row.groups["resource_id"], hour)
            assert key not in found
            found[key] = (row.count, row.minimum, row.maximum, row.total, row.first, row.last)
    return found


def _projects(database: Database, start: datetime) -> Figures:
    found: Figures = {}
    for meter in METERS:
        query = SampleQuery(EVERYTHING, meter=meter, start=start)
        for row in Statistics(database).compute(StatisticsQuery(query, None, ("project_id",))):
            key = (meter, row.groups["project_id"])
            found[key] = (row.count, row.minimum, row.maximum, row.total, row.first, row.last)
    return found
