"""Publishers with durable queues: what is owed to each is in the database before its message is acknowledged.

Each has a thread of its own, so one that is away delays neither the others nor what comes in. Any number of processes
may deliver to the same: a batch is leased by one of them at a time. One that dies has its batches delivered by the
others, which may then arrive twice.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from collector.errors import PublisherUnavailable
from collector.outlet import LONGEST_WAIT_S, Outlet
from collector.outlet_metrics import OutletMetrics
from collector.parcels import owed_events, owed_samples
from collector.publishers.publisher import Publisher
from storage.database import Database
from storage.errors import StorageError
from storage.event import Event
from storage.ingest.batch import NO_SAMPLES, SampleBatch
from storage.intake import Beside
from storage.outgoing import Outgoing, Owed, put_within
from storage.standings import Standings

WATCH_S = 10.0
STOP_S = 8.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Share:
    """What one publisher, by its name, gets."""

    publisher: str
    samples: SampleBatch = NO_SAMPLES
    events: Sequence[Event] = ()


class Routing(Protocol):
    """Decides which publisher gets what."""

    def route(self, samples: SampleBatch, events: Sequence[Event]) -> Iterable[Share]:
        """The shares of what was just stored; anything may be in several, or in none."""
        ...


class ToAll:
    """Everything to every publisher that takes it."""

    def __init__(self, publishers: Sequence[Publisher]) -> None:
        self._publishers = publishers

    def route(self, samples: SampleBatch, events: Sequence[Event]) -> list[Share]:
        """The same share for all."""
        return [
            Share(
                one.name,
                samples if "samples" in one.takes else NO_SAMPLES,
                events if "events" in one.takes else (),
            )
            for one in self._publishers
        ]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how much a queue may hold while its destination is away."""

    age: timedelta = timedelta(days=7)
    size: int = 2**30  # bytes


class Outlets:
    """The queues of all publishers; `keep` may be called by any thread of any process, delivering or not."""

    def __init__(
        self,
        database: Database,
        publishers: Sequence[Publisher],
        routing: Routing,
        metrics: OutletMetrics,
        clock: Callable[[], datetime],
        *,
        bounds: Bounds | None = None,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._outgoing, self._standings = Outgoing(database), Standings(database)
        self._routing, self._metrics, self._clock = routing, metrics, clock
        self._bounds = bounds or Bounds()
        self._outlets = [
            Outlet(one, self._outgoing, self._standings, metrics, clock, longest_wait_s=longest_wait_s)
            for one in publishers
        ]
        self._dropping: set[str] = set()
        self._is_away = False
        for outlet in self._outlets:
            metrics.begin(outlet.name)

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Returns when everything is in the queues it belongs to; raises PublisherUnavailable, and then none is."""
        try:
            self._outgoing.put(_owed(self._routing.route(samples, events)), self._clock())
        except StorageError as error:
            raise PublisherUnavailable(f"what is owed to publishers cannot be kept: {error}") from error
        self.wake()

    def promise(self, shares: Iterable[Share]) -> Beside:
        """What puts shares into the queues within a transaction of somebody else, who calls `wake` then."""
        owed = _owed(shares)
        return lambda connection: put_within(connection, owed, self._clock())

    def wake(self) -> None:
        """There may be something to deliver."""
        for outlet in self._outlets:
            outlet.wake()

    def run(self, stop: threading.Event) -> None:
        """Delivers until `stop` is set, then waits up to eight seconds for what is under way."""
        threads = [
            threading.Thread(target=outlet.run, args=(stop,), name="publisher", daemon=True)
            for outlet in self._outlets
        ]
        for thread in threads:
            thread.start()
        while True:
            self._watch()
            if stop.wait(WATCH_S):
                break
        deadline_s = time.monotonic() + STOP_S
        for outlet in self._outlets:
            outlet.wake()
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def watch(self) -> None:
        """Renews leases, drops what waited too long or is too much, and looks how each queue fares.

        Raises StorageError.
        """
        for outlet in self._outlets:
            outlet.renew()
        now = self._clock()
        dropped = self._outgoing.drop_before(now - self._bounds.age)
        for standing in self._standings.all():
            count = self._outgoing.drop_over(standing.name, self._bounds.size)
            if count:
                dropped[standing.name] = dropped.get(standing.name, 0) + count
        for name, count in dropped.items():
            self._metrics.dropped.labels(name).inc(count)
            if name not in self._dropping:
                log.error(
                    "publisher_dropping", publisher=name, dropped=count, advice="see `nephometer doctor`"
                )
        self._dropping = set(dropped)
        for standing in self._standings.all():
            self._metrics.look(standing, now)

    def _watch(self) -> None:
        try:
            self.watch()
        except StorageError as error:
            if not self._is_away:
                log.warning("outlets_not_watched", error=str(error))
            self._is_away = True
        else:
            self._is_away = False


def _owed(shares: Iterable[Share]) -> list[Owed]:
    owed: list[Owed] = []
    for share in shares:
        owed += owed_samples(share.publisher, share.samples)
        owed += owed_events(share.publisher, share.events)
    return owed
