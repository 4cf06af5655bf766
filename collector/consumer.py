"""Keeps consuming from one broker, whatever happens to the connection."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog
from prometheus_client import Gauge

from collector.backoff import Backoff
from collector.errors import BusSilent, BusUnavailable

log = structlog.get_logger()


class Session(Protocol):
    """A connection that is declared, bound and consumed from."""

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set; raises BusUnavailable when the connection ends before."""
        ...


class Consumer:
    """Says once why a broker is away, and opens a new session when it is back."""

    def __init__(
        self, broker: str, open_session: Callable[[], AbstractContextManager[Session]], connected: Gauge
    ) -> None:
        self._broker, self._open_session = broker, open_session
        self._connected = connected
        self._said = ""  # the event last told
        self.is_connected = False

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop` is set."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                with self._open_session() as session:
                    self._say("bus_connected")
                    backoff.reset()
                    session.run(stop)
            except BusUnavailable as error:
                self._say("bus_silent" if isinstance(error, BusSilent) else "bus_away", str(error))
                stop.wait(backoff.next_s())
        self.is_connected = False
        self._connected.set(0)

    def _say(self, event: str, error: str = "") -> None:
        self.is_connected = event == "bus_connected"
        self._connected.set(self.is_connected)
        if self.is_connected:
            log.info(event, broker=self._broker)
        elif event != self._said:
            log.warning(event, broker=self._broker, error=error)
        self._said = event


def run_all(consumers: Sequence[Consumer], stop: threading.Event, finish_s: float) -> None:
    """Run each in a thread of its own; returns once `stop` is set and they ended, or `finish_s` later."""
    threads = [
        threading.Thread(target=consumer.run, args=(stop,), name="collector-bus", daemon=True)
        for consumer in consumers
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    deadline = time.monotonic() + finish_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
