"""The loop that delivers webhooks: as many at once as is fair, each until it is taken or given up."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import Result, Sender
from api.alarms.webhook import Signer
from collector.guard import Guard, Words
from storage.alarm import Attempt, Delivery
from storage.deliveries import Deliveries, Limits
from storage.errors import StorageError

# Waits between attempts. Source: Standard Webhooks, "Deliverability and reliability".
SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LONGEST_RETRY_AFTER = timedelta(hours=1)
GONE = 410

IDLE_S = 1.0
STOP_S = 8.0
WORDS = Words("deliveries_waiting", "deliveries_failed", "deliveries_resumed")

log = structlog.get_logger()


def outcome(delivery: Delivery, result: Result, now: datetime) -> Delivery:
    """The delivery after an attempt that ended at `now`: delivered, failed, or due again.

    410 Gone gives up at once; so does the last step of the schedule. Retry-After may lengthen a wait, to an
    hour at most.
    """
    if not result.error:
        return replace(delivery, state="delivered")
    step = delivery.step + 1
    if result.status == GONE or step >= len(SCHEDULE):
        return replace(delivery, state="failed", step=step)
    asked = min(result.retry_after or timedelta(), LONGEST_RETRY_AFTER)
    return replace(delivery, step=step, next_attempt_at=now + max(SCHEDULE[step], asked))


class DeliveryLoop:
    """Leases due deliveries and sends each in a thread of its own, at most `limits` at once."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: Sender,
        signer: Signer,
        metrics: AlarmMetrics,
        clock: Callable[[], datetime],
        *,
        limits: Limits | None = None,
    ) -> None:
        self._deliveries = deliveries
        self._sender = sender
        self._signer = signer
        self._metrics = metrics
        self._clock = clock
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._under_way: dict[str, Delivery] = {}
        self._ended = threading.Event()
        self._guard = Guard(WORDS, metrics.failures.labels(loop="delivery"))

    def run(self, stop: threading.Event) -> None:
        """Delivers until `stop` is set, then waits eight seconds for what is under way.

        What does not end by then is tried again, under the same id, by whoever finds its lease run out.
        """
        while not stop.is_set():
            self._ended.clear()
            if not self._guard.turn(self._turn):
                self._ended.wait(IDLE_S)
        self.wait(STOP_S)

    def start_due(self, now: datetime) -> int:
        """Starts an attempt for everything that may start now; returns how many. Raises StorageError."""
        leased = self._deliveries.lease(now, self._current(), self._limits)
        for delivery in leased:
            with self._lock:
                self._under_way[delivery.delivery_id] = delivery
            try:
                threading.Thread(target=self._run_one, args=(delivery,), daemon=True, name="deliver").start()
            except RuntimeError:  # no more threads; it is due again when its lease has run out
                self._end(delivery)
                raise
        return len(leased)

    def wait(self, timeout_s: float) -> bool:
        """Whether nothing is under way any more within the time."""
        end = time.monotonic() + timeout_s
        while self._current():
            self._ended.clear()
            if self._current() and not self._ended.wait(max(0.0, end - time.monotonic())):
                return False
        return True

    def attempt(self, delivery: Delivery) -> Delivery:
        """One attempt of a leased delivery, logged; returns what became of it. Raises StorageError."""
        began, since = self._clock(), time.monotonic()
        result = self._sender.send(delivery, self._signer.headers(delivery, began))
        took_s = time.monotonic() - since
        after = outcome(delivery, result, began + timedelta(seconds=took_s))
        number, duration_ms = delivery.attempts, round(took_s * 1000)
        self._deliveries.record(
            after,
            Attempt(delivery.delivery_id, number, began, result.status, result.error, duration_ms),
        )
        self._metrics.attempts.labels(result="retry" if after.state == "pending" else after.state).inc()
        self._metrics.attempt_seconds.observe(took_s)
        if after.state == "failed":
            log.warning(
                "webhook_failed", delivery_id=after.delivery_id, alarm_id=after.alarm_id, error=result.error
            )
        return after

    def _turn(self) -> bool:
        """Whether anything was started; tells how much is left. Raises StorageError."""
        now = self._clock()
        started = self.start_due(now)
        due = now if started else self._deliveries.oldest_due()
        self._metrics.delivery_lag.set(0 if due is None else max(0.0, (now - due).total_seconds()))
        return started > 0

    def _run_one(self, delivery: Delivery) -> None:
        try:
            self.attempt(delivery)
        except StorageError as error:
            self._metrics.attempts.labels(result="not recorded").inc()
            log.warning("attempt_not_recorded", delivery_id=delivery.delivery_id, error=str(error))
        except Exception:
            self._metrics.attempts.labels(result="error").inc()
            log.exception("attempt_failed", delivery_id=delivery.delivery_id)
        finally:
            self._end(delivery)

    def _end(self, delivery: Delivery) -> None:
        with self._lock:
            del self._under_way[delivery.delivery_id]
        self._ended.set()

    def _current(self) -> list[Delivery]:
        with self._lock:
            return list(self._under_way.values())
