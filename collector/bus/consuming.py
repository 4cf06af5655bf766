"""Consuming: notifications and agents' batches from every broker of the settings.

A pika connection belongs to one thread, which must return to it well within the heartbeat. So one thread per
queue owns a connection and does nothing slow; batches are worked on in threads of their own
(`collector.gathering`) and acknowledged here, after they are committed.
"""

import functools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pika
import structlog
from pika.exceptions import AMQPError

from collector import topology
from collector.admission import Admission
from collector.bus.asking import Questions
from collector.bus.connection import connected
from collector.consumer import Consumer, Session, run_all
from collector.errors import BusUnavailable
from collector.gathering import Gathering
from collector.message import Origin
from collector.metrics import CollectorMetrics
from collector.patience import answered_within
from collector.settings import BusSettings, CollectorSettings
from collector.wiring import Wiring
from collector.work import Process, Work

log = structlog.get_logger()

REBIND_S = 10.0  # an exchange that was deleted, or made anew by its service, is bound again within this time
TICK_S = 0.25
# What is held without being acknowledged may take so much memory; more is read in sips, so that the broker sees us
# alive: pika reads at most 100 kB at once (its `_MAX_CONSUME_BYTES`).
HELD_BYTES = 128 * 2**20
SIPS_A_HEARTBEAT = 4
FIRST_SHARE = 1 / 16  # of a batch, for the first one: a thousand notifications take a third of a second
FINISH_S = 7.0  # how long a batch may still take once the program is to end


class Bus:
    """Consumes notifications and agents' batches from every broker of the settings."""

    def __init__(
        self, settings: BusSettings, options: CollectorSettings, process: Process, metrics: CollectorMetrics
    ) -> None:
        self._settings = settings
        self._needs = _Needs(options, process, metrics, Admission(settings, metrics))
        # A connection for each queue: one that the broker cannot serve holds up no other.
        self._consumers = [
            self._consumer(replace(feed, origins=(origin,)))
            for feed in topology.feeds(settings)
            for origin in feed.origins
        ]

    @property
    def is_connected(self) -> bool:
        """Whether every broker is connected and consumed from."""
        return all(consumer.is_connected for consumer in self._consumers)

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set; returns within 10 s then. What was not committed comes again."""
        run_all(self._consumers, stop, FINISH_S + 1)

    def _consumer(self, feed: topology.Feed) -> Consumer:
        broker = f"{topology.address(feed.url)} ({feed.origins[0]})"

        @contextmanager
        def session() -> Iterator[Session]:
            with connected(feed.url, self._settings) as connection:
                wiring = Wiring(Questions(connection), self._settings, feed)
                yield _Session(connection, wiring, self._needs, broker)

        return Consumer(broker, session, self._needs.metrics.connected.labels(broker))


@dataclass(frozen=True, slots=True)
class _Needs:
    """What every connection works with."""

    options: CollectorSettings
    process: Process
    metrics: CollectorMetrics
    admission: Admission


class _Session:
    """One connection's life: declare and bind, consume one queue, hand over batches, acknowledge."""

    def __init__(
        self, connection: pika.BlockingConnection, wiring: Wiring, needs: _Needs, broker: str
    ) -> None:
        self._connection, self._wiring, self._admission = connection, wiring, needs.admission
        self._broker, self._metrics = broker, needs.metrics
        self._unbound: list[str] = []
        self._refused: Mapping[str, str] = {}
        limits = topology.limits(wiring.settings, needs.options)
        self._gathering = Gathering(limits, needs.options.batch_wait, first_share=FIRST_SHARE)
        self._work = Work(
            self._gathering, needs.process, self._acknowledge, self._wake, needs.metrics.batch_failures
        )
        self._is_cancelled = False
        self._is_done = threading.Event()  # a batch, or more
        self._bind()
        with answered_within(connection, wiring.settings.timeout):
            self._tell_of_differences()
            self._channel = self._consume(wiring.feed.origins[0])

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set and the batch in work is done, or `FINISH_S` later without it."""
        while not stop.is_set():
            self._take_in()
            if self._is_cancelled or not self._channel.is_open:
                raise BusUnavailable("the broker ended a consumer")
            self._work.turn(time.monotonic())
            if time.monotonic() >= self._bind_at_s:
                self._bind()
        deadline = time.monotonic() + FINISH_S
        while self._work.is_going_on and time.monotonic() < deadline:
            self._connection.process_data_events(time_limit=TICK_S)
        self._work.turn(
            time.monotonic(), start=False
        )  # also of a batch that was done while queues were bound

    def _take_in(self) -> None:
        """Read what came, or wait for it; only a sip, and seldom, while too much is held."""
        idle_s = self._work.idle_s(time.monotonic())
        if self._work.held_bytes < HELD_BYTES:
            self._connection.process_data_events(min(TICK_S, idle_s))
            return
        self._is_done.wait(min(self._wiring.settings.heartbeat / SIPS_A_HEARTBEAT, idle_s))
        self._is_done.clear()
        self._connection.process_data_events(time_limit=0)

    def _bind(self) -> None:
        with answered_within(self._connection, self._wiring.settings.timeout):
            bound = self._wiring.bind()
        if bound.unbound != self._unbound:
            log.warning("exchanges_not_bound", exchanges=bound.unbound)
        if bound.refused != self._refused:
            log.warning("queues_refused", errors=dict(bound.refused), advice=topology.HOW_TO_ALLOW)
        self._unbound, self._refused = bound.unbound, bound.refused
        self._metrics.unbound_exchanges.labels(self._broker).set(len(bound.unbound))
        for name, depth in bound.depths.items():
            self._metrics.waiting.labels(self._broker, name).set(depth.messages)
        self._bind_at_s = time.monotonic() + REBIND_S

    def _tell_of_differences(self) -> None:
        """A queue that was made with other settings is consumed as it is: what is in it counts."""
        for queue, said in self._wiring.differing().items():
            log.warning("queue_differs", queue=queue, error=said, advice=topology.how_to_change(queue))

    def _acknowledge(self, _origin: Origin, tag: int) -> None:
        self._channel.basic_ack(tag, multiple=True)

    def _wake(self) -> None:
        self._is_done.set()
        with suppress(AMQPError):  # the connection ended meanwhile; the messages come again
            self._connection.add_callback_threadsafe(lambda: None)

    def _consume(self, origin: Origin) -> pika.adapters.blocking_connection.BlockingChannel:
        channel = self._connection.channel()
        channel.basic_qos(prefetch_count=topology.prefetch(self._wiring.settings, origin))
        channel.add_on_cancel_callback(self._on_cancel)
        queue = topology.queue_name(self._wiring.settings, origin)
        channel.basic_consume(queue, functools.partial(self._on_message, origin))
        return channel

    def _on_message(
        self,
        origin: Origin,
        _channel: object,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        refused = self._admission.refusal(properties.headers, body) if origin == "agent" else None
        now, now_s = datetime.now(UTC), time.monotonic()
        self._gathering.add(origin, method.delivery_tag, body, now, now_s, refused=refused)

    def _on_cancel(self, _frame: object) -> None:
        self._is_cancelled = True
