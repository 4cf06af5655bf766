"""The work on gathered batches, in threads that are not the connection's."""

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from collector.backoff import Backoff
from collector.errors import PublisherUnavailable
from collector.gathering import Gathered, Gathering
from collector.guard import Count
from collector.message import Message, Origin

log = structlog.get_logger()

AT_ONCE = 2  # while one waits for the database, the other goes on

Process = Callable[[Sequence[Message]], None]


class Work:
    """Processes batches, at most two at once; acknowledges in order what is committed and holds what is not.

    Held messages stay ours and no more than the prefetch arrive, so nothing is requeued however long the
    database is away; `held_bytes` says when to take in no more before that. `acknowledge(origin, tag)` is called in
    the thread of `turn`, `wake` in that of a batch. `failures` counts attempts that are to be made again.
    """

    def __init__(
        self,
        gathering: Gathering,
        process: Process,
        acknowledge: Callable[[Origin, int], None],
        wake: Callable[[], None],
        failures: Count,
    ) -> None:
        self._failures = failures
        self._gathering, self._process = gathering, process
        self._acknowledge, self._wake = acknowledge, wake
        self._backoff = Backoff()
        self._held: deque[_Job] = (
            deque()
        )  # in the order they were gathered; in work, or waiting for the database
        self._retry_at_s: float | None = None  # None: nothing waits

    @property
    def is_going_on(self) -> bool:
        """Whether a batch is in work."""
        return any(not job.is_done for job in self._held)

    @property
    def held_bytes(self) -> int:
        """Bytes of all messages that are not acknowledged, those that are being gathered included."""
        return self._gathering.nbytes + sum(job.gathered.nbytes for job in self._held)

    def idle_s(self, now_s: float) -> float:
        """How long no turn is needed unless something comes or a batch is done; infinity: until then."""
        if any(job.has_failed for job in self._held):
            return 0.0 if self._retry_at_s is None else max(0.0, self._retry_at_s - now_s)
        if self._retry_at_s is not None or len(self._held) >= AT_ONCE:
            return math.inf
        return max(0.0, self._gathering.due_at_s - now_s)

    def turn(self, now_s: float, *, start: bool = True) -> None:
        """Settle the batches that are done, and `start` on the next: those that failed, else a gathered one."""
        self._settle(now_s)
        if not start or (self._retry_at_s is not None and now_s < self._retry_at_s):
            return
        for job in self._held:
            if job.has_failed:
                job.start()
        if self._retry_at_s is None and len(self._held) < AT_ONCE and self._gathering.is_due(now_s):
            self._held.append(_Job(self._process, self._gathering.take(), self._wake))
            self._held[-1].start()

    def _settle(self, now_s: float) -> None:
        while self._held and self._held[0].has_succeeded:
            for origin, tag in self._held.popleft().gathered.last_tags.items():
                self._acknowledge(origin, tag)
            if self._retry_at_s is not None and not any(job.has_failed for job in self._held):
                log.info("publishing_resumed")
                self._retry_at_s = None
                self._backoff.reset()
        for job in self._held:
            if job.has_failed and not job.is_noticed:
                job.is_noticed = True
                self._failures.inc()
                self._pause(now_s, str(job.error))

    def _pause(self, now_s: float, error: str) -> None:
        if self._retry_at_s is None:
            log.warning("publishing_paused", error=error)
        if self._retry_at_s is None or self._retry_at_s <= now_s:
            self._retry_at_s = now_s + self._backoff.next_s()


class _Job:
    """One batch in a thread of its own, which never holds up the end of the program."""

    def __init__(self, process: Process, gathered: Gathered, when_done: Callable[[], None]) -> None:
        self.gathered = gathered
        self._process = process
        self._when_done = when_done
        self.is_done = self.is_noticed = False
        self.error: Exception | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it has to be tried again."""
        return self.is_done and self.error is not None

    @property
    def has_succeeded(self) -> bool:
        """Whether everything in it is committed."""
        return self.is_done and self.error is None

    def start(self) -> None:
        """Begin the work, or begin it again."""
        self.is_done = self.is_noticed = False
        self.error = None
        threading.Thread(target=self._work, name="collector-batch", daemon=True).start()

    def _work(self) -> None:
        try:
            self._process(self.gathered.messages)
        except PublisherUnavailable as error:
            self.error = error
        except Exception:  # the end of the pipeline's loop: whatever failed, nothing is acknowledged
            log.exception("batch_failed", messages=len(self.gathered.messages))
            self.error = PublisherUnavailable("the program failed on the batch")
        finally:
            self.is_done = True
            self._when_done()
