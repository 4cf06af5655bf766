"""One of our queues on a broker, of agents' batches or of notifications, filled before anybody consumes it."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import pika
from pydantic import SecretStr

from bench.rows import WrongAnswer
from collector import topology
from collector.message import Origin
from collector.settings import BusSettings

PERSISTENT = pika.BasicProperties(content_type="application/json", delivery_mode=2)
NOTIFYING, INFO = "nova", "notifications.info"  # a service's exchange and its routing key
ARRIVE_S = 120.0
LOOK_S = 0.05
SETTLE_S = 0.5


class Queue:
    """A connection to the broker; exchanges and queues are declared as the collector declares them."""

    def __init__(self, url: str, origin: Origin = "agent") -> None:
        self.url = url
        self._settings = BusSettings(url=SecretStr(url))
        self.name = topology.queue_name(self._settings, origin)
        self._to = (
            (NOTIFYING, INFO)
            if origin == "notifications"
            else (self._settings.exchange, topology.SAMPLE_ROUTING_KEY)
        )
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 0
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        for feed in topology.feeds(self._settings):
            for exchange in topology.exchanges(self._settings, feed):
                self._channel.exchange_declare(exchange.name, exchange.type, durable=exchange.durable)
            for queue in topology.queues(self._settings, feed):
                self._channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
            for binding in topology.bindings(self._settings, feed):
                self._channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def waiting(self) -> int:
        """Messages that are not with a consumer."""
        return int(self._channel.queue_declare(self.name, passive=True).method.message_count)

    def fill(self, messages: Iterable[bytes]) -> int:
        """Puts all of them into the queue; returns how many there are once all have arrived."""
        sent = 0
        for body in messages:
            self._channel.basic_publish(*self._to, body, PERSISTENT, mandatory=True)
            sent += 1
        deadline = time.monotonic() + ARRIVE_S
        while self.waiting < sent:
            if time.monotonic() > deadline:
                raise WrongAnswer(f"the broker has {self.waiting} of {sent} messages")
            self._connection.sleep(LOOK_S)
        return sent

    def settle(self) -> None:
        """Waits until what a consumer left unacknowledged is back in the queue."""
        self._connection.sleep(SETTLE_S)
