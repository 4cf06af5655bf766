"""The lives of resources on their way to the database: what notifications tell of them and what samples show."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from collector.envelope import Notification
from collector.errors import PublisherUnavailable
from collector.lifecycle_mapping import LifecycleMapping
from collector.metrics import CollectorMetrics
from collector.sightings import Witness
from storage.errors import DataRefused, StorageError
from storage.fact import Fact
from storage.ingest.batch import SampleBatch

log = structlog.get_logger()


class FactStore(Protocol):
    """Keeps facts; `storage.segments.Segments` is one."""

    def store(self, facts: Iterable[Fact]) -> int:
        """Keeps them in one transaction; returns how many told something new."""
        ...


class Lives:
    """What happens to facts beside samples and events; any number of threads may use it."""

    def __init__(
        self, mapping: LifecycleMapping, witness: Witness, store: FactStore, metrics: CollectorMetrics
    ) -> None:
        self._mapping = mapping
        self._witness = witness
        self._store = store
        self._metrics = metrics

    def facts(self, notification: Notification, received_at: datetime) -> list[Fact]:
        """What a notification tells of the lives of resources."""
        return self._mapping.facts(notification, received_at)

    def keep(self, facts: Sequence[Fact], batch: SampleBatch | None) -> None:
        """Stores facts, and those that these samples show, in a transaction of their own: again changes nothing.

        Raises PublisherUnavailable when the database is away or its schema is not ours yet.
        """
        sightings = [] if batch is None else self._witness.sightings(batch)
        found = [*facts, *(one.fact for one in sightings)]
        if found:
            self._keep(found)
            self._witness.note(sightings)

    def _keep(self, facts: Sequence[Fact]) -> None:
        """All of them but what the database refuses, which is found by halving."""
        try:
            self._metrics.facts.inc(self._store.store(facts))
        except DataRefused as error:
            if len(facts) == 1:
                log.warning("fact_refused_by_database", kind=facts[0].kind, error=str(error))
                return
            middle = len(facts) // 2
            self._keep(facts[:middle])
            self._keep(facts[middle:])
        except StorageError as error:
            raise PublisherUnavailable(str(error)) from error
