"""How what is pending gets into the database, and to others after it."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from collector.errors import PublisherUnavailable
from collector.lives import Lives
from collector.metrics import CollectorMetrics
from collector.pending import Pending
from collector.publishers import Keeper, Taken
from storage.event import Event
from storage.faults import reach
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.ingest.too_old import older
from storage.sample import Refused

log = structlog.get_logger()

T = TypeVar("T")


class Owing(Protocol):
    """Keeps for other systems what was stored; `collector.outlets.Outlets` does."""

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Returns when all of it is in their queues; raises PublisherUnavailable, and then nothing is."""
        ...


class Publishing:
    """Hands batches to the keeper, the database, which decides whether they are safe, then to the queues of others."""

    def __init__(
        self,
        keeper: Keeper,
        metrics: CollectorMetrics,
        *,
        lives: Lives | None = None,
        owing: Owing | None = None,
    ) -> None:
        self._keeper, self._metrics, self._lives, self._owing = keeper, metrics, lives, owing

    def publish(self, pending: Pending) -> Sequence[Refused]:
        """Publish all of it; returns what the keeper quarantined as too old, which is not among what is pending.

        Events come first, in a transaction of their own, then facts in another: whoever is killed between them begins
        again with all, and each counts once. Raises PublisherUnavailable when the database is away.
        """
        if not len(pending):
            return ()
        self._publish_events(pending)
        batch = pending.batch()
        if self._lives is not None:
            self._lives.keep(pending.facts, batch if pending.is_witness else None)
            reach("facts.committed")
        keep = self._keeper.publish_batch
        whole = self._timed(lambda: keep(batch, pending.refused, pending.received_at))
        taken = self._publish_one_by_one(pending) if whole is None else whole
        reach("ingest.committed")
        for refused in pending.refused:
            self._metrics.refused.labels(refused.origin).inc()
        if self._owing is not None:
            # Killed before this, the messages come again and count once; killed after it, others get them twice.
            self._owing.keep(_kept(batch, pending, taken), pending.events)
            reach("outgoing.committed")
        return taken.too_old

    def _publish_events(self, pending: Pending) -> None:
        if not pending.events:
            return
        publish = self._keeper.publish_events
        rejected = self._timed(lambda: publish(pending.events, pending.received_at))
        if rejected:
            pending.refuse_events(rejected)
        reach("events.committed")

    def _publish_one_by_one(self, pending: Pending) -> Taken:
        """Publish what the database may take of it, and quarantine the rest."""
        samples, publish = pending.samples(), self._keeper.publish
        taken = self._timed(lambda: publish(samples, pending.refused, pending.received_at))
        refused = [pending.refusal(one, samples[one.index]) for one in taken.rejected]
        if refused:
            self._timed(lambda: publish([], refused, pending.received_at))
            pending.refused.extend(refused)
        return taken

    def _timed(self, publish: Callable[[], T]) -> T:
        started, name = time.monotonic(), self._keeper.name
        try:
            return publish()
        except PublisherUnavailable:
            self._metrics.publish_failures.labels(name).inc()
            raise
        except Exception as error:
            self._metrics.publish_failures.labels(name).inc()
            log.exception("publisher_failed", publisher=name)
            raise PublisherUnavailable(f"{name} failed: {error!r}") from error
        finally:
            self._metrics.publish_seconds.labels(name).observe(time.monotonic() - started)


def _kept(batch: SampleBatch, pending: Pending, taken: Taken) -> SampleBatch:
    """What others may be given of a batch: nothing that went to quarantine."""
    if taken.rejected:
        rejected = {one.index for one in taken.rejected}
        batch = arrange([one for place, one in enumerate(pending.samples()) if place not in rejected])
    return batch if taken.kept_from is None else older(batch, taken.kept_from)[0]
