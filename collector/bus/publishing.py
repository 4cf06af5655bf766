"""Publishing: agents' batches to our exchange, and notifications to any."""

from collections.abc import Mapping

import pika
from pydantic import SecretStr

from collector import topology
from collector.bus.asking import Questions
from collector.bus.connection import connected, every_parameters
from collector.bus.link import Link, opened
from collector.errors import BusUnavailable
from collector.patience import answered_within
from collector.settings import BusSettings
from collector.signing import Signer

PERSISTENT = 2
NOTIFICATION = pika.BasicProperties(
    content_type="application/json", content_encoding="utf-8", delivery_mode=PERSISTENT
)


class SamplePublisher:
    """Publishes agents' batches: persistent, mandatory, confirmed, signed if there is a signer.

    One thread may use it.
    """

    def __init__(self, settings: BusSettings, signer: Signer | None = None) -> None:
        if settings.url is None:
            raise ValueError("bus.url is not set")
        self._exchange, self._signer = settings.exchange, signer
        self._way = _Way(settings.url, settings)

    def send(self, body: bytes) -> None:
        """Publish one batch; returns only when the broker has it in a queue.

        Raises BusUnavailable when it did not say so in time: the batch must be sent again, and may then
        arrive twice.
        """
        properties = _batch(self._signer.headers(body) if self._signer else None)
        self._way.publish(self._exchange, topology.SAMPLE_ROUTING_KEY, body, properties)

    def close(self) -> None:
        """End the connection, if there is one; `send` would open another."""
        self._way.close()


class NotificationPublisher:
    """Publishes notifications as oslo.messaging would: persistent, and confirmed. One thread may use it.

    `url` takes every form of `collector.addresses`; TLS, heartbeat and timeout are those of the settings.
    """

    def __init__(self, url: SecretStr, settings: BusSettings) -> None:
        self._url, self._settings = url, settings
        self._way = _Way(url, settings)
        self._known: set[str] = set()  # exchanges that were there lately

    def send(self, exchange: str, routing_key: str, body: bytes) -> None:
        """Publish one message; returns only when the broker has it in a queue. An absent exchange is made.

        No queue is: whoever wants these messages binds one, and until then the error says that no queue took
        them. Raises BusUnavailable: the message must be sent again, and may then arrive twice.
        """
        if exchange not in self._known:
            self._make(exchange)
            self._known.add(exchange)
        try:
            self._way.publish(exchange, routing_key, body, NOTIFICATION)
        except BusUnavailable:
            self._known.discard(exchange)  # it may have been deleted
            raise

    def close(self) -> None:
        """End the connection, if there is one; `send` would open another."""
        self._way.close()

    def _make(self, exchange: str) -> None:
        """Declare the exchange unless it exists: then it stays as it is, whatever its properties."""
        with (
            connected(self._url, self._settings) as connection,
            answered_within(connection, self._settings.timeout),
        ):
            ask = Questions(connection).ask
            if ask("exchange_declare", exchange, passive=True) is None:
                ask("exchange_declare", exchange, "topic", durable=self._settings.durable_exchanges)


def _batch(headers: Mapping[str, str] | None) -> pika.BasicProperties:
    return pika.BasicProperties(content_type="application/json", delivery_mode=PERSISTENT, headers=headers)


class _Way:
    """A link that is opened when something is published, and anew after anything went wrong."""

    def __init__(self, url: SecretStr, settings: BusSettings) -> None:
        self._url, self._settings = url, settings
        self._link: Link | None = None

    def publish(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        try:
            if self._link is None or not self._link.is_open:
                self.close()
                self._link = opened(every_parameters(self._url, self._settings), self._settings.timeout)
            self._link.publish(exchange, key, body, properties)
        except BusUnavailable:
            self.close()
            raise

    def close(self) -> None:
        link, self._link = self._link, None
        if link:
            link.close()
