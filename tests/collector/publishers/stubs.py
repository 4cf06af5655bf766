"""A destination that is there or not, and takes everything but what is poison."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from collector.errors import BatchRefused, PublisherUnavailable
from collector.outlet import Outlet
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Bounds, Outlets, ToAll
from collector.publishers.publisher import EVERYTHING, Publisher
from storage.database import Database
from storage.event import Event, Trait
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.outgoing import Kind, Outgoing
from storage.sample import Sample
from storage.standings import Standing, Standings
from tests.factories import NOW

SECOND = timedelta(seconds=1)
AWAY = PublisherUnavailable("connection refused")
EVENT = Event(
    "5f1e0b1c-5df3-4b5f-9c5b-7f3b0c0a1d11",
    "compute.node-1",
    "compute.instance.create.end",
    datetime(2026, 11, 23, 11, 59, 0, 123456, tzinfo=UTC),
    (
        Trait("launched_at", "datetime", datetime(2026, 11, 23, 11, 58, tzinfo=UTC)),
        Trait("load", "float", 1.0),
        Trait("memory_mb", "integer", 2048),
        Trait("state", "text", "active ☺"),
    ),
    "project-a",
    "user-1",
    {"instance_id": "instance-1", "nested": {"list": [1, None, "x"]}},
)


class Clock:
    """A clock that stands until it is set on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


class Stub:
    """Keeps what it is given; away while `away`, refuses batches with samples of the meters in `poison`.

    It answers as if it was away to those with the meters in `crashes_on`.
    """

    def __init__(self, name: str = "stub://", takes: frozenset[Kind] = EVERYTHING) -> None:
        self.name, self.takes = name, takes
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.away: PublisherUnavailable | None = None
        self.broken = False
        self.poison: frozenset[str] = frozenset()
        self.crashes_on: frozenset[str] = frozenset()
        self.attempts = 0
        self.is_closed = False
        self._changed = threading.Condition()

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        self.attempts += 1
        if self.broken:
            raise KeyError("nobody foresaw it")
        if self.away is not None:
            raise self.away
        given = [sample.meter for sample in samples.samples()]
        if any(meter in self.poison for meter in given):
            raise BatchRefused("HTTP 400: poison")
        if any(meter in self.crashes_on for meter in given):
            raise PublisherUnavailable("HTTP 500: it crashed")
        with self._changed:
            self.samples += samples.samples()
            self.events += events
            self._changed.notify_all()

    def close(self) -> None:
        self.is_closed = True

    def wait(self, samples: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.samples) >= samples, 20)


def outlet(database: Database, publisher: Publisher, clock: Clock) -> Outlet:
    """The outlet of a publisher as another process has it."""
    metrics = OutletMetrics(CollectorRegistry())
    return Outlet(publisher, Outgoing(database), Standings(database), metrics, clock)


def outlets(database: Database, clock: Clock, *publishers: Stub, bounds: Bounds | None = None) -> Outlets:
    registry = CollectorRegistry()
    return Outlets(
        database,
        publishers,
        ToAll(publishers),
        OutletMetrics(registry),
        clock,
        bounds=bounds,
        longest_wait_s=0.1,
    )


def keep(
    database: Database, clock: Clock, stub: Stub, samples: Sequence[Sample] = (), events: Sequence[Event] = ()
) -> None:
    outlets(database, clock, stub).keep(arrange(samples), events)


def drain(one: Outlet) -> None:
    while one.turn() is not None:
        """There is more."""


def standing(database: Database) -> Standing:
    (found,) = Standings(database).all()
    return found
