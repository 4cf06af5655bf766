"""The loop around work that one process of many does at a time, beside the consumers."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from collector.backoff import Backoff
from collector.guard import Guard
from storage.errors import StorageError
from storage.upkeep.leases import Leases

LONGEST_PAUSE_S = 60.0  # after failures; longer only where turns are further apart than that

log = structlog.get_logger()


class Work(Protocol):
    """What is done by turns."""

    def turn(self, now: datetime, stop: Callable[[], bool]) -> bool:
        """Does some of it, until `stop` answers True after a step; returns whether there is more to do at once."""
        ...


class Lease:
    """One process' hold on the lease of that name."""

    def __init__(self, leases: Leases, name: str, holder: str, length: timedelta) -> None:
        self._leases, self._name, self._holder, self._length = leases, name, holder, length
        self._renew_at: datetime | None = None

    def is_held(self, now: datetime) -> bool:
        """Whether no other process has it; takes or renews it when half of it is over. Raises StorageError."""
        if self._renew_at is not None and now < self._renew_at:
            return True
        self._renew_at = None
        if not self._leases.take(self._name, self._holder, now, self._length):
            return False
        self._renew_at = now + self._length / 2
        return True

    def give_back(self) -> None:
        """Lets others begin at once; where the database is away, they wait until it has run out."""
        try:
            self._leases.release(self._name, self._holder)
        except StorageError as error:
            log.info("lease_not_released", error=str(error))
        self._renew_at = None


class LeasedLoop:
    """Does work by turns while it has the lease, whatever happens to a turn."""

    def __init__(
        self,
        work: Work,
        lease: Lease,
        guard: Guard,
        *,
        pause_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._work, self._lease, self._guard = work, lease, guard
        self._pause_s, self._clock = pause_s, clock
        self._backoff = Backoff(first_s=1.0, longest_s=max(LONGEST_PAUSE_S, pause_s))

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; returns after the step that is being done, and gives the lease back."""
        while not stop.is_set():
            stop.wait(self.wait_after(stop))
        self._lease.give_back()

    def wait_after(self, stop: threading.Event) -> float:
        """Does `once`, whatever happens; returns the seconds to wait before the next turn."""
        is_more = self._guard.turn(lambda: self.once(stop))
        if is_more is None:
            return self._backoff.next_s()
        self._backoff.reset()
        return 0.0 if is_more else self._pause_s

    def once(self, stop: threading.Event) -> bool:
        """A turn, if this process has the lease; returns whether there is more to do at once."""
        now = self._clock()
        if not self._lease.is_held(now):
            return False
        return self._work.turn(now, lambda: stop.is_set() or not self._lease.is_held(self._clock()))
