"""Whether the broker is well, for /readyz."""

import threading
import time
from collections.abc import Sequence

from api.watch import Check
from collector.bus import inspect
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import BrokerState, address, feeds

KEEP_S = 5.0
MANY = 100_000


class Broker:
    """The state of the brokers, looked at no more often than every five seconds."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._looked_at_s = float("-inf")
        self._found: Sequence[BrokerState] | str = ""

    def look(self) -> Sequence[BrokerState] | str:
        """The state of each broker, or why one does not answer."""
        with self._guard:
            if time.monotonic() - self._looked_at_s > KEEP_S:
                self._found = self._looked()
                self._looked_at_s = time.monotonic()
            return self._found

    def _looked(self) -> Sequence[BrokerState] | str:
        states = []
        for feed in feeds(self._settings):
            try:
                states.append(inspect(self._settings, feed))
            except BusUnavailable as error:
                return f"{address(feed.url)}: {error}"
        return states


class BrokerCheck:
    """Every broker answers."""

    name = "broker"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def check(self) -> str | None:
        """Why one does not."""
        found = self._broker.look()
        return found if isinstance(found, str) else None


class LagCheck:
    """What is asked is not far behind what happened."""

    name = "lag"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def check(self) -> str | None:
        """How many messages wait for a collector, when they are more than a hundred thousand."""
        found = self._broker.look()
        if isinstance(found, str):
            return "unknown while the broker does not answer"
        waiting = sum(state.waiting for state in found)
        return f"{waiting} messages wait for a collector: start more of them" if waiting > MANY else None


def checks(settings: BusSettings) -> tuple[Check, ...]:
    """The checks of the brokers there are; none without a broker."""
    if not settings.notification_sources:
        return ()
    broker = Broker(settings)
    return BrokerCheck(broker), LagCheck(broker)
