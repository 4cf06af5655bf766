"""The loop that runs transformers beside the consumers, in one collector of many at a time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.guard import Guard, Words
from collector.leased import Lease, LeasedLoop
from collector.pipelines.derivation import Turn
from storage.transforming import Overtaken
from storage.upkeep.leases import Leases

LEASE = "pipelines"
LENGTH = timedelta(seconds=60)
LONGEST_WAIT_S = 5.0
WORDS = Words("pipelines_paused", "pipelines_failed", "pipelines_resumed")


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


class Counted:
    """The work, with what it did counted."""

    def __init__(self, work: Work, metrics: DerivationMetrics) -> None:
        self._work, self._metrics = work, metrics

    def turn(self, now: datetime, stop: Callable[[], bool]) -> bool:
        """Does some of it, until `stop` answers True after a step; returns whether there is more to do at once."""
        try:
            done = self._work.turn(now, stop)
        except Overtaken:  # two had the lease for a moment
            return False
        self._metrics.read.inc(done.read)
        self._metrics.derived.inc(done.derived)
        for sink, count in done.dropped.items():
            self._metrics.dropped.labels(sink).inc(count)
        self._metrics.position.set(done.position.timestamp())
        return not done.is_finished


def derivation_loop(
    work: Work,
    leases: Leases,
    metrics: DerivationMetrics,
    *,
    cycle: timedelta,
    holder: str,
    clock: Callable[[], datetime],
) -> LeasedLoop:
    """Does the work of one store, in one process of many at a time."""
    return LeasedLoop(
        Counted(work, metrics),
        Lease(leases, LEASE, holder, LENGTH),
        Guard(WORDS, metrics.errors),
        pause_s=min(LONGEST_WAIT_S, cycle.total_seconds()),
        clock=clock,
    )
