"""The loop that keeps the store in order beside the consumers, in one collector of many at a time."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.guard import Guard, Words
from collector.leased import Lease, LeasedLoop
from storage.settings import MaintenanceSettings
from storage.upkeep.leases import Leases
from storage.upkeep.maintenance import Done, Stage

LEASE = "maintenance"
WORDS = Words("maintenance_paused", "maintenance_failed", "maintenance_resumed")

log = structlog.get_logger()


class Work(Protocol):
    """What is done by turns; `storage.upkeep.maintenance.Maintenance` is one."""

    @property
    def damaged(self) -> list[str]:
        """The tiles the last turn could not read."""
        ...

    def turn(self, now: datetime, stop: Callable[[], bool]) -> Done:
        """Does some of it, until `stop` answers True after a step."""
        ...

    def waiting(self) -> int:
        """How many late rows wait."""
        ...


class MaintenanceMetrics:
    """What the loop counts, for `/metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.done = {
            Stage.PARTITIONS: Counter(
                "nephometer_maintenance_partitions_made", "Partitions made ahead", registry=registry
            ),
            Stage.SEAL: Counter(
                "nephometer_maintenance_readings_sealed", "Readings sealed", registry=registry
            ),
            Stage.DROP: Counter(
                "nephometer_maintenance_partitions_dropped", "Partitions dropped", registry=registry
            ),
            Stage.LATE: Counter(
                "nephometer_maintenance_readings_resealed",
                "Late readings merged into tiles",
                registry=registry,
            ),
            Stage.COMPACT: Counter(
                "nephometer_maintenance_readings_compacted",
                "Readings of hours put into tiles of days",
                registry=registry,
            ),
            Stage.RETENTION: Counter(
                "nephometer_maintenance_rows_expired", "Rows deleted because of their age", registry=registry
            ),
        }
        self.seconds = Counter("nephometer_maintenance_seconds", "Time spent in turns", registry=registry)
        self.errors = Counter("nephometer_maintenance_errors", "Turns that failed", registry=registry)
        self.last_success = Gauge(
            "nephometer_maintenance_last_success_timestamp_seconds",
            "When this process last found nothing left to do",
            registry=registry,
        )
        self.late_rows = Gauge(
            "nephometer_maintenance_late_rows",
            "Rows of late samples that wait to be merged",
            registry=registry,
        )
        self.damaged = Gauge(
            "nephometer_maintenance_damaged_tiles", "Tiles the last turn could not read", registry=registry
        )


class Counted:
    """The work, with what it did counted and damaged tiles told once."""

    def __init__(self, work: Work, metrics: MaintenanceMetrics, clock: Callable[[], datetime]) -> None:
        self._work, self._metrics, self._clock = work, metrics, clock
        self._damaged: frozenset[str] = frozenset()

    def turn(self, now: datetime, stop: Callable[[], bool]) -> bool:
        """Does some of it, until `stop` answers True after a step; returns whether there is more to do at once."""
        begun = time.monotonic()
        try:
            done = self._work.turn(now, stop)
        finally:
            self._metrics.seconds.inc(time.monotonic() - begun)
        for stage, amount in done.amounts.items():
            self._metrics.done[stage].inc(amount)
        self._metrics.late_rows.set(self._work.waiting())
        self._tell_damaged(self._work.damaged)
        if done.is_finished:
            self._metrics.last_success.set(self._clock().timestamp())
        return not done.is_finished

    def _tell_damaged(self, names: Iterable[str]) -> None:
        found = frozenset(names)
        for name in sorted(found - self._damaged):
            log.error("tile_damaged", tile=name)
        for name in sorted(self._damaged - found):
            log.info("tile_readable_again", tile=name)
        self._damaged = found
        self._metrics.damaged.set(len(found))


def maintenance_loop(
    work: Work,
    leases: Leases,
    settings: MaintenanceSettings,
    metrics: MaintenanceMetrics,
    *,
    holder: str,
    clock: Callable[[], datetime],
) -> LeasedLoop:
    """Does the work of one store, in one process of many at a time."""
    return LeasedLoop(
        Counted(work, metrics, clock),
        Lease(leases, LEASE, holder, timedelta(seconds=settings.lease_s)),
        Guard(WORDS, metrics.errors),
        pause_s=settings.interval_s,
        clock=clock,
    )
