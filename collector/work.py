"""The work on gathered batches, one at a time, in a thread that is not the connection's."""

import threading
from collections.abc import Callable, Sequence

import structlog

from collector.backoff import Backoff
from collector.errors import PublisherUnavailable
from collector.gathering import Gathered, Gathering
from collector.message import Message, Origin

log = structlog.get_logger()

Process = Callable[[Sequence[Message]], None]


class Work:
    """Processes batches in order; acknowledges what is committed and holds what is not.

    Held messages stay ours and no more than the prefetch arrive, so nothing is requeued however long the
    database is away. `acknowledge(origin, tag)` is called in the thread of `turn`, `wake` in that of the batch.
    """

    def __init__(
        self,
        gathering: Gathering,
        process: Process,
        acknowledge: Callable[[Origin, int], None],
        wake: Callable[[], None],
    ) -> None:
        self._gathering, self._process = gathering, process
        self._acknowledge, self._wake = acknowledge, wake
        self._backoff = Backoff()
        self._held: Gathered | None = None  # in work, or waiting for the database
        self._job: _Job | None = None
        self._retry_at_s: float | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether a batch is in work."""
        return self._job is not None

    def turn(self, now_s: float, *, start: bool = True) -> None:
        """Settle the batch that is done, and `start` on the next: the held one first, else the gathered one."""
        if self._job and self._job.is_done:
            self._settle(self._job, now_s)
        if not start or self._job or (self._retry_at_s is not None and now_s < self._retry_at_s):
            return
        if self._held is None and self._gathering.is_due(now_s):
            self._held = self._gathering.take()
        if self._held:
            self._job = _Job(self._process, self._held.messages, self._wake)
            self._job.start()

    def _settle(self, job: "_Job", now_s: float) -> None:
        self._job = None
        if job.error is not None:
            if self._retry_at_s is None:
                log.warning("publishing_paused", error=str(job.error))
            self._retry_at_s = now_s + self._backoff.next_s()
            return
        if self._retry_at_s is not None:
            log.info("publishing_resumed")
        held, self._held, self._retry_at_s = self._held or Gathered(), None, None
        self._backoff.reset()
        for origin, tag in held.last_tags.items():
            self._acknowledge(origin, tag)


class _Job:
    """One batch in a thread of its own, which never holds up the end of the program."""

    def __init__(
        self,
        process: Callable[[Sequence[Message]], None],
        messages: Sequence[Message],
        when_done: Callable[[], None],
    ) -> None:
        self._process = process
        self._messages = messages
        self._when_done = when_done
        self._thread = threading.Thread(target=self._work, name="collector-batch", daemon=True)
        self.is_done = False
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    def _work(self) -> None:
        try:
            self._process(self._messages)
        except PublisherUnavailable as error:
            self.error = error
        except Exception:  # the end of the pipeline's loop: whatever failed, nothing is acknowledged
            log.exception("batch_failed", messages=len(self._messages))
            self.error = PublisherUnavailable("the program failed on the batch")
        finally:
            self.is_done = True
            self._when_done()
