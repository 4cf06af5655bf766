"""The loop that keeps the store in order beside the consumers, in one collector of many at a time."""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.backoff import Backoff
from storage.errors import StorageError
from storage.settings import MaintenanceSettings
from storage.upkeep.leases import Leases
from storage.upkeep.maintenance import Done, Stage

LEASE = "maintenance"
LONGEST_PAUSE_S = 60.0

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


class MaintenanceLoop:
    """Does the work of one store by turns while it has the lease."""

    def __init__(
        self,
        work: Work,
        leases: Leases,
        settings: MaintenanceSettings,
        metrics: MaintenanceMetrics,
        *,
        holder: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._work, self._leases, self._metrics = work, leases, metrics
        self._interval_s, self._lease = settings.interval_s, timedelta(seconds=settings.lease_s)
        self._holder, self._clock = holder, clock
        self._backoff = Backoff(first_s=1.0, longest_s=max(LONGEST_PAUSE_S, settings.interval_s))
        self._renew_at = clock()
        self._complaint: str | None = None
        self._damaged: frozenset[str] = frozenset()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; returns after the step that is being done, and gives the lease back."""
        while not stop.is_set():
            stop.wait(self.wait_after(stop))
        try:
            self._leases.release(LEASE, self._holder)
        except StorageError as error:
            log.info("lease_not_released", reason=str(error))

    def once(self, stop: threading.Event) -> bool:
        """A turn, if this process has the lease; returns whether there is more to do at once."""
        now = self._clock()
        if not self._leases.take(LEASE, self._holder, now, self._lease):
            return False
        self._renew_at = now + self._lease / 2
        done = self._work.turn(now, lambda: stop.is_set() or not self._has_lease())
        for stage, amount in done.amounts.items():
            self._metrics.done[stage].inc(amount)
        self._metrics.late_rows.set(self._work.waiting())
        self._tell_damaged(self._work.damaged)
        if done.is_finished:
            self._metrics.last_success.set(self._clock().timestamp())
        return not done.is_finished

    def _has_lease(self) -> bool:
        """Whether no other one has the lease by now; renews it when half of it is over."""
        now = self._clock()
        if now < self._renew_at:
            return True
        self._renew_at = now + self._lease / 2
        return self._leases.take(LEASE, self._holder, now, self._lease)

    def wait_after(self, stop: threading.Event) -> float:
        """Does `once`, whatever happens; returns the seconds to wait before the next turn."""
        begun = time.monotonic()
        try:
            is_more = self.once(stop)
        except StorageError as error:
            return self._failed(str(error))
        except Exception as error:
            if self._complaint != repr(error):
                log.exception("maintenance_failed")
            self._complaint = repr(error)
            self._metrics.errors.inc()
            return self._backoff.next_s()
        finally:
            self._metrics.seconds.inc(time.monotonic() - begun)
        if self._complaint is not None:
            log.info("maintenance_resumed")
        self._complaint = None
        self._backoff.reset()
        return 0.0 if is_more else self._interval_s

    def _failed(self, reason: str) -> float:
        if self._complaint is None:
            log.warning("maintenance_paused", reason=reason)
        self._complaint = reason
        self._metrics.errors.inc()
        return self._backoff.next_s()

    def _tell_damaged(self, names: Iterable[str]) -> None:
        found = frozenset(names)
        for name in sorted(found - self._damaged):
            log.error("tile_damaged", tile=name)
        for name in sorted(self._damaged - found):
            log.info("tile_readable_again", tile=name)
        self._damaged = found
        self._metrics.damaged.set(len(found))
