"""RabbitMQ: the only file that imports pika.

A pika connection belongs to one thread, which must return to it well within the heartbeat. So one thread per
queue owns a connection and does nothing slow; batches are worked on in threads of their own
(`collector.gathering`) and acknowledged here, after they are committed.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pika
import structlog
from pika.exceptions import AMQPError, ChannelClosedByBroker
from prometheus_client import Gauge
from pydantic import SecretStr

from collector import topology
from collector.confirmation import Confirmation
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
TICK_S, CLOSE_S = 0.25, 2.0
FINISH_S = 7.0  # how long a batch may still take once the program is to end
READ_BYTES = 32 * 2**10  # from a socket at once
PERSISTENT = pika.BasicProperties(content_type="application/json", delivery_mode=2)


class Bus:
    """Consumes notifications and agents' batches from every broker of the settings."""

    def __init__(
        self, settings: BusSettings, options: CollectorSettings, process: Process, metrics: CollectorMetrics
    ) -> None:
        self._settings, self._options, self._process, self._metrics = settings, options, process, metrics
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
        unbound = self._metrics.unbound_exchanges.labels(broker)

        @contextmanager
        def session() -> Iterator[Session]:
            with _connection(feed.url, self._settings) as connection:
                wiring = Wiring(_Broker(connection).ask, self._settings, feed)
                yield _Session(connection, wiring, self._options, self._process, unbound)

        return Consumer(broker, session, self._metrics.connected.labels(broker))


class SamplePublisher:
    """Publishes agents' batches: persistent, mandatory, confirmed. One thread may use it."""

    def __init__(self, settings: BusSettings) -> None:
        if settings.url is None:
            raise ValueError("bus.url is not set")
        self._url, self._settings = settings.url, settings
        self._link: _Link | None = None

    def send(self, body: bytes) -> None:
        """Publish one batch; returns only when the broker has it in a queue.

        Raises BusUnavailable when it did not say so in time: the batch must be sent again, and may then
        arrive twice.
        """
        try:
            if self._link is None or not self._link.is_open:
                self.close()
                self._link = _Link(self._url, self._settings)
                self._link.open()
            self._link.publish(body)
        except BusUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, if there is one; `send` would open another."""
        link, self._link = self._link, None
        if link:
            link.close()


def inspect(settings: BusSettings) -> list[topology.BrokerState]:
    """How each broker looks, nothing declared; raises BusUnavailable when one does not answer."""
    states = []
    for feed in topology.feeds(settings):
        with _connection(feed.url, settings) as connection, answered_within(connection, settings.timeout):
            states.append(Wiring(_Broker(connection).ask, settings, feed).state())
    return states


class _Session:
    """One connection's life: declare and bind, consume one queue, hand over batches, acknowledge."""

    def __init__(
        self,
        connection: pika.BlockingConnection,
        wiring: Wiring,
        options: CollectorSettings,
        process: Process,
        unbound: Gauge,
    ) -> None:
        self._connection, self._wiring, self._unbound_gauge = connection, wiring, unbound
        self._unbound: list[str] = []
        self._gathering = Gathering(topology.limits(wiring.settings, options), options.batch_wait)
        self._work = Work(self._gathering, process, self._acknowledge, self._wake)
        self._is_cancelled = False
        self._bind()
        with answered_within(connection, wiring.settings.timeout):
            self._channel = self._consume(wiring.feed.origins[0])

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set and the batch in work is done, or `FINISH_S` later without it."""
        while not stop.is_set():
            self._connection.process_data_events(min(TICK_S, self._work.idle_s(time.monotonic())))
            if self._is_cancelled or not self._channel.is_open:
                raise BusUnavailable("the broker ended a consumer")
            self._work.turn(time.monotonic())
            if time.monotonic() >= self._bind_at_s:
                self._bind()
        deadline = time.monotonic() + FINISH_S
        while self._work.is_going_on and time.monotonic() < deadline:
            self._connection.process_data_events(time_limit=TICK_S)
            self._work.turn(time.monotonic(), start=False)

    def _bind(self) -> None:
        with answered_within(self._connection, self._wiring.settings.timeout):
            unbound = self._wiring.bind()
        if unbound != self._unbound:
            log.warning("exchanges_not_bound", exchanges=unbound)
        self._unbound = unbound
        self._unbound_gauge.set(len(unbound))
        self._bind_at_s = time.monotonic() + REBIND_S

    def _acknowledge(self, _origin: Origin, tag: int) -> None:
        self._channel.basic_ack(tag, multiple=True)

    def _wake(self) -> None:
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
        _properties: object,
        body: bytes,
    ) -> None:
        self._gathering.add(origin, method.delivery_tag, body, datetime.now(UTC), time.monotonic())

    def _on_cancel(self, _frame: object) -> None:
        self._is_cancelled = True


class _Broker:
    """Questions to a broker, each of which may be refused."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._channel = connection.channel()

    def ask(self, method: str, *arguments: object, **options: object) -> pika.frame.Method | None:
        """The broker's answer, or None when it refuses; that ends the channel, so another is opened."""
        try:
            return getattr(self._channel, method)(*arguments, **options)
        except ChannelClosedByBroker as error:
            log.debug("broker_refused", method=method, arguments=arguments, error=error.reply_text)
            self._channel = self._connection.channel()
            return None


class _Link:
    """A publisher's connection, with a thread that serves its heartbeats; open once it is constructed."""

    def __init__(self, url: SecretStr, settings: BusSettings) -> None:
        self._exchange = settings.exchange
        self._confirmation = Confirmation(settings.timeout)
        self._connection = pika.SelectConnection(
            _parameters(url, settings),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )
        self._lock = threading.Lock()  # between calls into the loop and its end
        self._has_ended = False
        self._thread = threading.Thread(target=self._serve, name="sample-publisher", daemon=True)
        self._thread.start()

    def open(self) -> None:
        self._confirmation.wait()

    @property
    def is_open(self) -> bool:
        return bool(self._connection.is_open and self._channel.is_open)

    def publish(self, body: bytes) -> None:
        self._confirmation.expect()
        self._call(functools.partial(self._publish, body))
        self._confirmation.wait()

    def close(self) -> None:
        self._call(self._close)
        self._thread.join(CLOSE_S)

    def _serve(self) -> None:
        self._connection.ioloop.start()
        with self._lock:
            self._has_ended = True
            self._connection.ioloop.close()

    def _call(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if self._has_ended:
                self._confirmation.fail("the connection has ended")
            else:
                self._connection.ioloop.add_callback_threadsafe(callback)

    def _publish(self, body: bytes) -> None:
        key = topology.SAMPLE_ROUTING_KEY
        try:
            self._channel.basic_publish(self._exchange, key, body, PERSISTENT, mandatory=True)
        except AMQPError as error:
            self._confirmation.fail(repr(error))

    def _on_channel(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_end)
        channel.add_on_return_callback(
            lambda _channel, method, *_: self._confirmation.note_return(
                f"no queue took it: {method.reply_text}"
            )
        )
        channel.confirm_delivery(
            lambda frame: self._confirmation.answer(taken=isinstance(frame.method, pika.spec.Basic.Ack)),
            callback=lambda _frame: self._confirmation.answer(taken=True),
        )

    def _on_end(self, _where: object, error: object) -> None:
        self._confirmation.fail(repr(error))
        self._close()

    def _close(self) -> None:
        if self._connection.is_closed:
            self._connection.ioloop.stop()
        elif not self._connection.is_closing:
            self._connection.close()


@contextmanager
def _connection(url: SecretStr, settings: BusSettings) -> Iterator[pika.BlockingConnection]:
    """A connection that is closed at the end; raises BusUnavailable for whatever goes wrong with it."""
    connection = None
    try:
        connection = pika.BlockingConnection(_parameters(url, settings))
        _read_much_at_once(connection)
        yield connection
    except (AMQPError, OSError) as error:
        raise BusUnavailable(repr(error)) from error
    finally:
        if connection and connection.is_open:
            with suppress(AMQPError, OSError):
                connection.close()


def _read_much_at_once(connection: pika.BlockingConnection) -> None:
    """pika reads 4 KiB, half of an agent's batch, and looks in vain for its end; nobody can tell it to read more.

    Where another version has no such number, it stays slower and works all the same.
    """
    transport = getattr(getattr(connection, "_impl", None), "_transport", None)
    if transport is not None and hasattr(transport, "_MAX_RECV_BYTES"):
        transport._MAX_RECV_BYTES = READ_BYTES


def _parameters(url: SecretStr, settings: BusSettings) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url.get_secret_value())
    except (ValueError, TypeError) as error:
        raise BusUnavailable("bus.url cannot be read") from error
    parameters.heartbeat = settings.heartbeat
    parameters.socket_timeout = parameters.stack_timeout = settings.timeout
    parameters.blocked_connection_timeout = settings.timeout
    parameters.client_properties = {"connection_name": "nephometer"}
    return parameters
