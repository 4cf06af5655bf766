"""The loop that runs transformers beside the consumers, in one collector of many at a time."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.backoff import Backoff
from collector.errors import PublisherUnavailable
from collector.pipelines.derivation import Turn
from storage.errors import StorageError
from storage.transforming import Overtaken
from storage.upkeep.leases import Leases

LEASE = "pipelines"
LENGTH = timedelta(seconds=60)
LONGEST_WAIT_S = 5.0

log = structlog.get_logger()


class Work(Protocol):
    """What is done by turns; `collector.pipelines.derivation.Derivation` is one."""

    def turn(self, now: datetime, stop: Callable[[], bool]) -> Turn:
        """Does some of it, until `stop` answers True after a step."""
        ...


class DerivationMetrics:
    """What the loop counts, for `/metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.read = Counter(
            "nephometer_pipeline_samples_read", "Samples that transformers were given", registry=registry
        )
        self.derived = Counter(
            "nephometer_pipeline_samples_derived", "Samples that came out of transformers", registry=registry
        )
        self.dropped = Counter(
            "nephometer_pipeline_samples_dropped",
            "Samples whose value could not be worked out",
            ["sink"],
            registry=registry,
        )
        self.errors = Counter("nephometer_pipeline_errors", "Turns that failed", registry=registry)
        self.position = Gauge(
            "nephometer_pipeline_position_timestamp_seconds",
            "Until when samples were transformed, where this process does it",
            registry=registry,
        )


class DerivationLoop:
    """Does the work of one store by turns while it has the lease."""

    def __init__(
        self,
        work: Work,
        leases: Leases,
        metrics: DerivationMetrics,
        *,
        cycle: timedelta,
        holder: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._work, self._leases, self._metrics = work, leases, metrics
        self._wait_s = min(LONGEST_WAIT_S, cycle.total_seconds())
        self._holder, self._clock = holder, clock
        self._backoff = Backoff(first_s=1.0, longest_s=60.0)
        self._renew_at = clock()
        self._complaint: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, and gives the lease back."""
        while not stop.is_set():
            stop.wait(self.wait_after(stop))
        try:
            self._leases.release(LEASE, self._holder)
        except StorageError as error:
            log.info("lease_not_released", reason=str(error))

    def wait_after(self, stop: threading.Event) -> float:
        """Does a turn, whatever happens; returns the seconds to wait before the next."""
        try:
            is_more = self._once(stop)
        except (StorageError, PublisherUnavailable) as error:
            return self._failed(str(error))
        except Exception as error:
            if self._complaint != repr(error):
                log.exception("pipelines_failed")
            self._complaint = repr(error)
            self._metrics.errors.inc()
            return self._backoff.next_s()
        if self._complaint is not None:
            log.info("pipelines_resumed")
        self._complaint = None
        self._backoff.reset()
        return 0.0 if is_more else self._wait_s

    def _once(self, stop: threading.Event) -> bool:
        """A turn, if this process has the lease; returns whether there is more to do at once."""
        if not self._has_lease(self._clock()):
            return False
        try:
            done = self._work.turn(self._clock(), lambda: stop.is_set() or not self._has_lease(self._clock()))
        except Overtaken:  # two had the lease for a moment
            return False
        self._metrics.read.inc(done.read)
        self._metrics.derived.inc(done.derived)
        for sink, count in done.dropped.items():
            self._metrics.dropped.labels(sink).inc(count)
        self._metrics.position.set(done.position.timestamp())
        return not done.is_finished

    def _has_lease(self, now: datetime) -> bool:
        """Whether no other process has the lease; renews it when half of it is over."""
        if now < self._renew_at:
            return True
        if not self._leases.take(LEASE, self._holder, now, LENGTH):
            return False
        self._renew_at = now + LENGTH / 2
        return True

    def _failed(self, reason: str) -> float:
        if self._complaint is None:
            log.warning("pipelines_paused", reason=reason)
        self._complaint = reason
        self._metrics.errors.inc()
        return self._backoff.next_s()
