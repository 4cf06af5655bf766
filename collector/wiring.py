"""Makes a broker look as `collector.topology` wants it, and tells how it looks."""

from collections.abc import Callable
from typing import Any

from collector import topology
from collector.settings import BusSettings

# A question by the name pika gives it, with its arguments; None when the broker refuses. Any: pika's answers.
Ask = Callable[..., Any]


class Wiring:
    """The exchanges, queues and bindings of one feed."""

    def __init__(self, ask: Ask, settings: BusSettings, feed: topology.Feed) -> None:
        self._ask, self.settings, self.feed = ask, settings, feed

    def bind(self) -> list[str]:
        """Declare and bind what is not there; returns the exchanges that could not be bound, by name.

        What exists stays as it is, whatever its properties.
        """
        for exchange in topology.exchanges(self.settings, self.feed):
            if not self._has_exchange(exchange.name):
                self._ask("exchange_declare", exchange.name, exchange.type, durable=exchange.durable)
        for queue in topology.queues(self.settings, self.feed):
            if self._waiting(queue.name) is None:
                self._ask("queue_declare", queue.name, durable=True, arguments=dict(queue.arguments))
        wanted = topology.bindings(self.settings, self.feed)
        return sorted({binding.exchange for binding in wanted if not self._is_bound(binding)})

    def state(self) -> topology.BrokerState:
        """How the broker looks; changes nothing."""
        wanted = [exchange.name for exchange in topology.exchanges(self.settings, self.feed)]
        missing = tuple(name for name in wanted if not self._has_exchange(name))
        counts = {
            queue.name: self._waiting(queue.name) for queue in topology.queues(self.settings, self.feed)
        }
        waiting = {name: count for name, count in counts.items() if count is not None}
        return topology.BrokerState(topology.address(self.feed.url), missing, waiting)

    def _has_exchange(self, name: str) -> bool:
        return self._ask("exchange_declare", name, passive=True) is not None

    def _waiting(self, queue: str) -> int | None:
        answer = self._ask("queue_declare", queue, passive=True)
        return int(answer.method.message_count) if answer else None

    def _is_bound(self, binding: topology.Binding) -> bool:
        return self._ask("queue_bind", binding.queue, binding.exchange, binding.routing_key) is not None
