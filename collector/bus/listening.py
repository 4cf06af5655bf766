"""Listening in on notifications, while collectors and everybody else get theirs all the same."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pika
import structlog

from collector import topology
from collector.bus.asking import Questions
from collector.bus.connection import connected
from collector.errors import BusUnavailable
from collector.patience import answered_within
from collector.settings import BusSettings

log = structlog.get_logger()

REBIND_S, TICK_S = 10.0, 0.25
LENGTH = 1000  # a listener that is slower than the services misses the oldest, and nobody waits for it


@dataclass(frozen=True, slots=True)
class Overheard:
    """A notification as a service sent it, and where it was sent to."""

    broker: str
    exchange: str
    routing_key: str
    body: bytes


def listen(
    settings: BusSettings, feed: topology.Feed, hear: Callable[[Overheard], None], stop: threading.Event
) -> None:
    """Hands over what one broker's services send from now on, until `stop` is set.

    By a queue of its own, which goes with the connection. Exchanges are bound where they are, none is made. Raises
    BusUnavailable.
    """
    with connected(feed.url, settings) as connection:
        listener = _Listener(connection, settings, feed, hear)
        while not stop.is_set():
            connection.process_data_events(time_limit=TICK_S)
            listener.bind_when_due()


class _Listener:
    """The queue, bound again and again since exchanges come and go."""

    def __init__(
        self,
        connection: pika.BlockingConnection,
        settings: BusSettings,
        feed: topology.Feed,
        hear: Callable[[Overheard], None],
    ) -> None:
        self._connection, self._settings, self._hear = connection, settings, hear
        self._broker = topology.address(feed.url)
        self._queue = f"{settings.notification_queue}.tail.{uuid.uuid4().hex[:8]}"  # we may make no others
        self._unbound: set[str] = set()
        self._bind_at_s = 0.0
        with answered_within(connection, settings.timeout):
            channel = connection.channel()
            arguments = {"x-max-length": LENGTH, "x-overflow": topology.DROP}
            channel.queue_declare(self._queue, exclusive=True, auto_delete=True, arguments=arguments)
        self.bind_when_due()
        channel.add_on_cancel_callback(self._on_cancel)
        channel.basic_consume(self._queue, self._on_message, auto_ack=True)

    def bind_when_due(self) -> None:
        """Bind to every exchange there is, and say once which there are not."""
        if time.monotonic() < self._bind_at_s:
            return
        with answered_within(self._connection, self._settings.timeout):
            questions = Questions(self._connection)
            unbound = {
                binding.exchange
                for binding in topology.notification_bindings(self._settings, self._queue)
                if questions.ask("queue_bind", binding.queue, binding.exchange, binding.routing_key) is None
            }
            questions.close()
        if unbound != self._unbound:
            log.warning("exchanges_not_bound", broker=self._broker, exchanges=sorted(unbound))
        self._unbound = unbound
        self._bind_at_s = time.monotonic() + REBIND_S

    def _on_message(
        self, _channel: object, method: pika.spec.Basic.Deliver, _properties: object, body: bytes
    ) -> None:
        self._hear(Overheard(self._broker, method.exchange, method.routing_key, body))

    def _on_cancel(self, _frame: object) -> None:
        raise BusUnavailable("the broker ended the listener's queue")
