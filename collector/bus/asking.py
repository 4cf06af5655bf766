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
        """The broker's answer, or None when it refuses; that ends the channel, so another is opened."""
        try:
            return getattr(self._channel, method)(*arguments, **options)
        except ChannelClosedByBroker as error:
            log.debug("broker_refused", method=method, arguments=arguments, error=error.reply_text)
            self._channel = self._connection.channel()
            return None


def inspect(settings: BusSettings) -> list[topology.BrokerState]:
    """How each broker looks, nothing declared; raises BusUnavailable when one does not answer."""
    states = []
    for feed in topology.feeds(settings):
        with connected(feed.url, settings) as connection, answered_within(connection, settings.timeout):
            states.append(Wiring(Questions(connection).ask, settings, feed).state())
    return states
