"""Questions to a broker, and a look at how it is."""

import pika
import structlog
from pika.exceptions import ChannelClosedByBroker

from collector import topology
from collector.bus.connection import connected
from collector.patience import answered_within
from collector.settings import BusSettings
from collector.wiring import Wiring

log = structlog.get_logger()


class Questions:
    """Questions to a broker, each of which may be refused."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self._connection = connection
        self._channel = connection.channel()

    def ask(self, method: str, *arguments: object, **options: object) -> pika.frame.Method | None:
        """The broker's answer, None when it refuses; that ends the channel, so another is opened."""
        try:
            return getattr(self._channel, method)(*arguments, **options)
        except ChannelClosedByBroker as error:
            self._open_another(method, error)
            return None

    def objection(self, method: str, *arguments: object, **options: object) -> str:
        """Why the broker refuses, empty when it does not."""
        try:
            getattr(self._channel, method)(*arguments, **options)
        except ChannelClosedByBroker as error:
            self._open_another(method, error)
            return str(error.reply_text)
        return ""

    def close(self) -> None:
        """Ask no more; the connection stays."""
        self._channel.close()

    def _open_another(self, method: str, error: ChannelClosedByBroker) -> None:
        log.debug("broker_refused", method=method, error=error.reply_text)
        self._channel = self._connection.channel()


def inspect(settings: BusSettings, feed: topology.Feed, *, thoroughly: bool = False) -> topology.BrokerState:
    """How a broker looks, nothing declared; raises BusUnavailable when it does not answer.

    Thoroughly: also which queues differ from the settings, and which of others nobody may read.
    """
    with connected(feed.url, settings) as connection, answered_within(connection, settings.timeout):
        return Wiring(Questions(connection), settings, feed).state(thoroughly=thoroughly)
