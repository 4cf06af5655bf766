"""One publisher with its queue: takes batches, delivers them, and copes with a destination that is away."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from collector.backoff import Backoff
from collector.errors import BatchRefused, InvalidMessage, PublisherUnavailable
from collector.outlet_metrics import OutletMetrics
from collector.parcels import Parcel, events_of, opened, samples_of
from collector.publishers.publisher import Publisher
from collector.telling_apart import Examination, tell_apart
from storage.errors import StorageError
from storage.event import Event
from storage.faults import reach
from storage.ingest.batch import NO_SAMPLES, SampleBatch, join
from storage.outgoing import Leased, Outgoing
from storage.standings import Standings

LEASE = timedelta(minutes=2)  # renewed while a delivery goes on
LEASED = 20_000  # pieces leased at once
PIECES, BYTES = 5_000, 4 * 2**20  # of one delivery
IDLE_S = 2.0  # what other processes put into the queue is noticed within this time
LONGEST_WAIT_S = 30.0
PUZZLED = 5  # attempts that failed in a way nobody foresaw, before the batch is set aside
DOUBTED = 8  # attempts that failed, about a minute, before it is asked whether the batch is at fault
# From one such question to the next when it found nothing: twice as long each time.
DOUBT_AFTER, LEAST_OFTEN = timedelta(minutes=1), timedelta(hours=1)

log = structlog.get_logger()


class Outlet:
    """Delivers what is owed to one publisher, oldest first; one thread may use it, but `wake` and `renew` any."""

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
        self._doubt_at, self._doubt_after = clock(), DOUBT_AFTER
        self._lock = threading.Lock()
        self._held: list[Leased] = []  # what is to be delivered under this lease, in order
        self._held_until = clock()

    def wake(self) -> None:
        """There may be something to deliver, or it is time to end."""
        self._woken.set()

    def renew(self) -> None:
        """Holds on to what is being delivered when half of the lease is over; raises StorageError."""
        with self._lock:
            now = self._clock()
            if self._held and now >= self._held_until - LEASE / 2:
                self._outgoing.again(self.name, self._held, now + LEASE)
                self._held_until = now + LEASE

    def run(self, stop: threading.Event) -> None:
        """Delivers until `stop` is set; an attempt under way is not interrupted."""
        while not stop.is_set():
            self._woken.clear()
            try:
                pause_s = self.turn(stop.is_set)
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

    def turn(self, is_over: Callable[[], bool] = lambda: False) -> float | None:
        """Delivers what one lease gives; seconds to wait then, None when nothing is due. Raises StorageError.

        Once `is_over`, what is not delivered yet is left to whoever comes next.
        """
        if not self._is_known:
            self._introduce()
        now = self._clock()
        leased = self._outgoing.lease(self.name, now, LEASE, pieces=LEASED, size=BYTES)
        if leased is None:
            return None
        if not leased:  # others were quicker
            return 0.0
        reach("outlet.leased")
        with self._lock:
            self._held, self._held_until = list(leased), now + LEASE
        try:
            for delivery in _deliveries(leased):
                if is_over():
                    self._let_go(self._clock())
                    return 0.0
                self._deliver(delivery)
        except PublisherUnavailable as error:
            if not self._is_at_fault(error):
                return self._fail(error)
            self._let_go(self._clock())
        finally:
            self._let_go()
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
            self._delivered(leased)

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
        """Delivers what can be delivered of a refused batch and sets the rest aside; raises PublisherUnavailable."""
        try:
            parcel = _opened(batch)
        except InvalidMessage:
            self._set_aside(batch, reason, batch.pieces, batch.body)
            return

        def takes(places: Sequence[int]) -> bool:
            try:
                self._publish(*parcel.given(places), batch.attempts)
            except BatchRefused:
                return False
            return True

        self._settle(batch, parcel, tell_apart(len(parcel), takes), reason)

    def _is_at_fault(self, error: PublisherUnavailable) -> bool:
        """Whether the oldest batch fails while others arrive; then what does not arrive of it is set aside."""
        batch, now = self._held[0], self._clock()
        if batch.attempts < DOUBTED or now < self._doubt_at or error.wait is not None:
            return False
        self._doubt_at, self._doubt_after = now + self._doubt_after, min(self._doubt_after * 2, LEAST_OFTEN)
        try:
            parcel, others = _opened(batch), [(one, _opened(one)) for one in self._held[1:2]]
        except InvalidMessage:
            return False
        found = Examination(
            lambda places: self._arrives(batch, parcel, places),
            lambda: any(self._arrives(one, other, range(len(other))) for one, other in others),
        ).culprits(len(parcel))
        log.info(
            "batch_examined", publisher=self.name, attempts=batch.attempts, is_at_fault=found is not None
        )
        if found is None:
            return False
        self._settle(batch, parcel, found, f"does not arrive while others do: {error}")
        return True

    def _arrives(self, batch: Leased, parcel: Parcel, places: Sequence[int]) -> bool:
        try:
            self._publish(*parcel.given(places), batch.attempts)
        except (BatchRefused, PublisherUnavailable):
            return False
        return True

    def _settle(self, batch: Leased, parcel: Parcel, refused: Sequence[int], reason: str) -> None:
        if refused:
            self._set_aside(batch, reason, len(refused), parcel.body(refused))
        else:
            self._delivered([batch])

    def _set_aside(self, batch: Leased, reason: str, pieces: int, body: bytes) -> None:
        self._outgoing.set_aside(self.name, batch, reason, pieces=pieces, body=body)
        self._done([batch])
        self._metrics.refused.labels(self.name).inc(pieces)
        log.warning("batch_set_aside", publisher=self.name, pieces=pieces, error=reason)

    def _delivered(self, batches: Sequence[Leased]) -> None:
        self._outgoing.delivered(self.name, batches)
        self._done(batches)

    def _done(self, batches: Sequence[Leased]) -> None:
        with self._lock:
            self._held = [batch for batch in self._held if batch not in batches]

    def _let_go(self, due: datetime | None = None) -> None:
        """What is held is no longer, and due at this time; without one when the lease is over."""
        with self._lock:
            held, self._held = self._held, []
        if held and due is not None:
            self._outgoing.again(self.name, held, due)

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

    def _fail(self, error: PublisherUnavailable) -> float:
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
        self._let_go(now + timedelta(seconds=wait_s))
        return wait_s

    def _succeed(self) -> None:
        if self._failing_since is not None:
            self._standings.working(self.name)
            log.info("publisher_up", publisher=self.name, away_since=self._failing_since.isoformat())
        self._failing_since, self._error = None, ""
        self._doubt_at, self._doubt_after = self._clock(), DOUBT_AFTER
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


def _opened(batch: Leased) -> Parcel:
    return opened(batch.kind, batch.body)


def _deliveries(leased: Sequence[Leased]) -> Iterator[list[Leased]]:
    """As many of them together as one delivery takes, in their order."""
    chosen: list[Leased] = []
    for batch in leased:
        if chosen and sum(one.pieces for one in chosen) + batch.pieces > PIECES:
            yield chosen
            chosen = []
        chosen.append(batch)
    yield chosen
