"""The first publisher: SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from collector.errors import PublisherUnavailable
from collector.metrics import CollectorMetrics
from collector.publishers import Rejected, Taken
from storage.errors import DataRefused, StorageError
from storage.event import Event
from storage.events import StoredEvents
from storage.ingest.batch import SampleBatch
from storage.ingest.too_old import TOO_OLD_ORIGIN
from storage.query import Stored
from storage.sample import Refused, Sample

log = structlog.get_logger()


class Store(Protocol):
    """The part of `storage.samples.Samples` that is needed here."""

    def store(
        self, samples: Sequence[Sample], refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        """Keep samples in one transaction."""
        ...

    def store_batch(
        self, batch: SampleBatch, refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        """Keep a batch in one transaction."""
        ...


class EventStore(Protocol):
    """The part of `storage.events.Events` that is needed here."""

    def store(self, events: Sequence[Event], *, received_at: datetime) -> StoredEvents:
        """Keep events in one transaction."""
        ...


class DatabasePublisher:
    """Stores each batch in one transaction; a batch the database refuses is halved until one is left."""

    name = "database"

    def __init__(self, store: Store, metrics: CollectorMetrics, events: EventStore) -> None:
        self._store = store
        self._metrics = metrics
        self._events = events

    def publish_events(self, events: Sequence[Event], received_at: datetime) -> list[Rejected]:
        """Store events; returns those the database refuses.

        Raises PublisherUnavailable when the database is away or its schema is not ours yet.
        """
        return self._keep_events(events, 0, received_at)

    def _keep_events(self, events: Sequence[Event], first: int, received_at: datetime) -> list[Rejected]:
        """Store what can be stored of events that begin at place `first` of the batch."""
        try:
            stored = self._events.store(events, received_at=received_at)
        except DataRefused as error:
            if len(events) == 1:
                log.warning("event_refused_by_database", event_type=events[0].event_type, error=str(error))
                return [Rejected(first, f"event refused by the database: {error}")]
            middle = len(events) // 2
            return [
                *self._keep_events(events[:middle], first, received_at),
                *self._keep_events(events[middle:], first + middle, received_at),
            ]
        except StorageError as error:
            raise PublisherUnavailable(str(error)) from error
        self._metrics.events.inc(stored.new)
        self._metrics.event_duplicates.inc(stored.duplicates)
        return []

    def publish_batch(
        self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime
    ) -> Taken | None:
        """Store samples and quarantine together; None when the database refuses any of it, and keeps nothing.

        Raises PublisherUnavailable when the database is away or its schema is not ours yet.
        """
        try:
            stored = self._store.store_batch(batch, refused, received_at=received_at)
        except DataRefused:
            return None
        except StorageError as error:
            raise PublisherUnavailable(str(error)) from error
        self._count(stored, len(batch))
        return Taken((), stored.too_old, stored.kept_from)

    def publish(self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime) -> Taken:
        """Store samples and quarantine together, all but the samples the database refuses.

        Raises PublisherUnavailable when the database is away or its schema is not ours yet.
        """
        try:
            return self._write(samples, refused, received_at)
        except DataRefused as error:
            if not refused:
                return self._halve(samples, 0, received_at, error)
            self._keep(refused, received_at)
            return self.publish(samples, (), received_at)

    def _halve(
        self, samples: Sequence[Sample], first: int, received_at: datetime, error: DataRefused
    ) -> Taken:
        """Store what can be stored of refused samples that begin at place `first` of the batch."""
        if len(samples) == 1:
            log.warning("sample_refused_by_database", meter=samples[0].meter, error=str(error))
            return Taken([Rejected(first, f"refused by the database: {error}")])
        middle = len(samples) // 2
        taken = Taken()
        for half, start in ((samples[:middle], first), (samples[middle:], first + middle)):
            try:
                taken = _both(taken, self._write(half, (), received_at))
            except DataRefused as smaller:
                taken = _both(taken, self._halve(half, start, received_at, smaller))
        return taken

    def _keep(self, refused: Sequence[Refused], received_at: datetime) -> None:
        try:
            self._write((), refused, received_at)
        except DataRefused as error:
            raise PublisherUnavailable(f"the database refuses to quarantine: {error}") from error

    def _write(self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime) -> Taken:
        try:
            stored = self._store.store(samples, refused, received_at=received_at)
        except DataRefused:
            raise
        except StorageError as error:
            raise PublisherUnavailable(str(error)) from error
        self._count(stored, len(samples))
        return Taken((), stored.too_old, stored.kept_from)

    def _count(self, stored: Stored, given: int) -> None:
        self._metrics.samples.inc(stored.new)
        self._metrics.duplicates.inc(stored.duplicates)
        self._metrics.conflicts.inc(stored.conflicts)
        too_old = given - stored.new - stored.duplicates
        if too_old:
            self._metrics.refused.labels(TOO_OLD_ORIGIN).inc(too_old)
            log.warning("samples_too_old", samples=too_old)
        if stored.conflicts:
            log.warning("conflicting_samples", samples=stored.conflicts)


def _both(one: Taken, other: Taken) -> Taken:
    kept_from = [taken.kept_from for taken in (one, other) if taken.kept_from is not None]
    return Taken(
        [*one.rejected, *other.rejected], [*one.too_old, *other.too_old], max(kept_from, default=None)
    )
