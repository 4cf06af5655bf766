"""One publisher with its queue: takes batches, delivers them, and copes with a destination that is away."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from collector.backoff import Backoff
from collector.errors import BatchRefused, InvalidMessage, PublisherUnavailable
from collector.outlet_metrics import OutletMetrics
from collector.parcels import encode_events, encode_samples, events_of, samples_of
from collector.publishers.publisher import Publisher
from storage.errors import StorageError
from storage.event import Event
from storage.faults import reach
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES, SampleBatch, join
from storage.outgoing import Leased, Outgoing
from storage.sample import Sample
from storage.standings import Standings

LEASE = timedelta(minutes=2)  # longer than any attempt takes
PIECES, BYTES = 5_000, 4 * 2**20  # of one delivery
IDLE_S = 2.0  # what other processes put into the queue is noticed within this time
LONGEST_WAIT_S = 30.0
HALVINGS = 64  # attempts to tell what a destination refuses of a batch from the rest of it
PUZZLED = 5  # attempts that failed in a way nobody foresaw, before the batch is set aside

log = structlog.get_logger()

T = TypeVar("T", Sample, Event)


class Outlet:
    """Delivers what is owed to one publisher, oldest first; one thread may use it, but `wake` any."""

    def __init__(
        self,
        publisher: Publisher,
        outgoing: Outgoing,
        standings: Standings,
        metrics: OutletMetrics,
        clock: Callable[[], datetime],
        *,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self.name = publisher.name
        self._publisher, self._outgoing, self._standings = publisher, outgoing, standings
        self._metrics, self._clock = metrics, clock
        self._backoff = Backoff(longest_s=longest_wait_s)
        self._woken = threading.Event()
        self._failing_since: datetime | None = None
        self._error = ""
        self._is_database_away = False
        self._is_known = False

    def wake(self) -> None:
        """There may be something to deliver, or it is time to end."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Delivers until `stop` is set; an attempt under way is not interrupted."""
        while not stop.is_set():
            self._woken.clear()
            try:
                pause_s = self.turn()
            except StorageError as error:
                pause_s = self._wait_for_database(error)
            except Exception:
                log.exception("outlet_failed", publisher=self.name)
                pause_s = self._backoff.next_s()
            else:
                self._is_database_away = False
            if pause_s is None:
                self._woken.wait(IDLE_S)
            elif pause_s:
                stop.wait(pause_s)
        self._publisher.close()

    def turn(self) -> float | None:
        """One delivery; seconds to wait then, None when nothing is due. Raises StorageError."""
        if not self._is_known:
            self._introduce()
        leased = self._outgoing.lease(self.name, self._clock(), LEASE, pieces=PIECES, size=BYTES)
        if leased is None:
            return None
        if not leased:  # others were quicker
            return 0.0
        reach("outlet.leased")
        try:
            self._deliver(leased)
        except PublisherUnavailable as error:
            return self._fail(leased, error)
        self._succeed()
        return 0.0

    def _deliver(self, leased: Sequence[Leased]) -> None:
        """Every batch is delivered or set aside then; raises PublisherUnavailable."""
        try:
            self._attempt(leased)
        except BatchRefused as error:
            if len(leased) > 1:
                for batch in leased:
                    self._deliver([batch])
                return
            self._tell_apart(leased[0], str(error))
        else:
            reach("outlet.published")
            self._outgoing.delivered(self.name, leased)

    def _attempt(self, leased: Sequence[Leased]) -> None:
        samples: list[SampleBatch] = []
        events: list[Event] = []
        try:
            for batch in leased:
                if batch.kind == "samples":
                    samples.append(samples_of(batch.body))
                else:
                    events += events_of(batch.body)
        except InvalidMessage as error:
            raise BatchRefused(f"damaged in the database: {error}") from error
        self._publish(join(samples) if samples else NO_SAMPLES, events, leased[0].attempts)

    def _tell_apart(self, batch: Leased, reason: str) -> None:
        """Delivers what can be delivered of a refused batch and sets the rest aside."""
        try:
            if batch.kind == "samples":
                bad = self._refused(
                    samples_of(batch.body).samples(),
                    lambda part: self._publish(arrange(part), (), batch.attempts),
                )
                pieces, body = len(bad), encode_samples(bad) if bad else b""
            else:
                left = self._refused(
                    events_of(batch.body), lambda part: self._publish(NO_SAMPLES, part, batch.attempts)
                )
                pieces, body = len(left), encode_events(left)
        except InvalidMessage:
            pieces, body = batch.pieces, batch.body
        if not pieces:
            self._outgoing.delivered(self.name, [batch])
            return
        self._outgoing.set_aside(self.name, batch, reason, pieces=pieces, body=body)
        self._metrics.refused.labels(self.name).inc(pieces)
        log.warning("batch_set_aside", publisher=self.name, pieces=pieces, error=reason)

    def _refused(self, pieces: Sequence[T], publish: Callable[[Sequence[T]], None]) -> list[T]:
        """Of pieces that were refused together, those that are refused; at last as many as are undecided.

        The others are delivered in their order: some destinations take no older one afterwards.
        """
        undecided, refused = _halves(pieces), list(pieces[:1]) if len(pieces) == 1 else []
        for _ in range(HALVINGS):
            if not undecided:
                break
            part = undecided.pop()
            try:
                publish(part)
            except BatchRefused:
                undecided += _halves(part)
                if len(part) == 1:
                    refused += part
        for part in reversed(undecided):
            refused += part
        return refused

    def _publish(self, samples: SampleBatch, events: Sequence[Event], attempts: int) -> None:
        try:
            self._publisher.publish(samples, events)
        except (PublisherUnavailable, BatchRefused):
            raise
        except Exception as error:
            log.exception("publisher_failed", publisher=self.name)
            if attempts >= PUZZLED:
                raise BatchRefused(f"the program failed on it: {error!r}") from error
            raise PublisherUnavailable(f"the program failed: {error!r}") from error
        self._metrics.delivered.labels(self.name, "samples").inc(len(samples))
        self._metrics.delivered.labels(self.name, "events").inc(len(events))

    def _fail(self, leased: Sequence[Leased], error: PublisherUnavailable) -> float:
        """Seconds to wait before the next attempt."""
        now, reason = self._clock(), str(error)
        wait_s = self._backoff.next_s()
        if error.wait is not None:
            wait_s = max(wait_s, min(error.wait.total_seconds(), LEASE.total_seconds()))
        self._metrics.failures.labels(self.name).inc()
        if self._failing_since is None:
            self._failing_since = now
            log.warning("publisher_down", publisher=self.name, error=reason)
        if reason != self._error:
            self._error = reason
            self._standings.failing(self.name, reason, self._failing_since)
        self._outgoing.again(self.name, leased, now + timedelta(seconds=wait_s))
        return wait_s

    def _succeed(self) -> None:
        if self._failing_since is not None:
            self._standings.working(self.name)
            log.info("publisher_up", publisher=self.name, away_since=self._failing_since.isoformat())
        self._failing_since, self._error = None, ""
        self._backoff.reset()

    def _introduce(self) -> None:
        """Another process may have noted a failure: the first success here is to correct that."""
        self._standings.begin(self.name)
        for standing in self._standings.all():
            if standing.name == self.name:
                self._failing_since, self._error = standing.failing_since, standing.error or ""
        self._is_known = True

    def _wait_for_database(self, error: StorageError) -> float:
        if not self._is_database_away:
            log.warning("outlet_waits_for_database", publisher=self.name, error=str(error))
        self._is_database_away = True
        return self._backoff.next_s()


def _halves(pieces: Sequence[T]) -> list[Sequence[T]]:
    """The second half and the first, none of a single piece."""
    middle = len(pieces) // 2
    return [pieces[middle:], pieces[:middle]] if middle else []
