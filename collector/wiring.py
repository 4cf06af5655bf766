"""Makes a broker look as `collector.topology` wants it, and tells how it looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from collector import topology
from collector.settings import BusSettings
from collector.topology import Depth, Queue

DIFFERS = "PRECONDITION_FAILED"  # what the broker calls it when a queue has other properties than we ask for


class Broker(Protocol):
    """A broker that is asked by the names pika gives its questions, with their arguments."""

    def ask(self, method: str, *arguments: object, **options: object) -> Any | None:  # Any: pika's answers
        """The answer, None when the broker refuses."""
        ...

    def objection(self, method: str, *arguments: object, **options: object) -> str:
        """Why the broker refuses, empty when it does not."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """The exchanges that could not be bound, by name, and how deep our queues are.

    `refused`: queues that the broker does not let us make, and why; their bindings are not missed.
    """

    unbound: list[str]
    depths: Mapping[str, Depth]
    refused: Mapping[str, str]


class Wiring:
    """The exchanges, queues and bindings of one feed."""

    def __init__(self, broker: Broker, settings: BusSettings, feed: topology.Feed) -> None:
        self._broker, self.settings, self.feed = broker, settings, feed
        stream = topology.stream(settings, feed)
        self._queues = topology.queues(settings, feed)
        self._streams = [stream] if stream else []

    def bind(self) -> Bound:
        """Declare and bind what is not there. What exists stays as it is, whatever its properties."""
        for exchange in topology.exchanges(self.settings, self.feed):
            if not self._has_exchange(exchange.name):
                self._broker.ask("exchange_declare", exchange.name, exchange.type, durable=exchange.durable)
        depths, refused = {}, {}
        for queue in (*self._queues, *self._streams):
            depth = self._depth(queue.name)
            if depth is None and (said := self._objection(queue)):
                refused[queue.name] = said
            depths[queue.name] = depth or Depth(0, 0)
        wanted = [one for one in topology.bindings(self.settings, self.feed) if one.queue not in refused]
        unbound = sorted({binding.exchange for binding in wanted if not self._is_bound(binding)})
        return Bound(unbound, {queue.name: depths[queue.name] for queue in self._queues}, refused)

    def differing(self) -> Mapping[str, str]:
        """Our queues that exist with other properties than the settings ask for, and what the broker says of each."""
        found = {}
        for queue in (*self._queues, *self._streams):
            if self._depth(queue.name) is not None and (said := self._difference(queue)):
                found[queue.name] = said
        return found

    def state(self, *, thoroughly: bool) -> topology.BrokerState:
        """How the broker looks; changes nothing."""
        wanted = [exchange.name for exchange in topology.exchanges(self.settings, self.feed)]
        missing = tuple(name for name in wanted if not self._has_exchange(name))
        return topology.BrokerState(
            topology.address(self.feed.url),
            missing,
            self._depths(queue.name for queue in self._queues),
            self.differing() if thoroughly else {},
            self._depths(topology.foreign_queues(self.settings)) if thoroughly else {},
        )

    def _depths(self, names: Iterable[str]) -> Mapping[str, Depth]:
        """Of the queues that exist."""
        found = {name: self._depth(name) for name in names}
        return {name: depth for name, depth in found.items() if depth is not None}

    def _difference(self, queue: Queue) -> str:
        said = self._objection(queue)
        return said if DIFFERS in said else ""

    def _objection(self, queue: Queue) -> str:
        arguments = dict(queue.arguments)
        return self._broker.objection("queue_declare", queue.name, durable=True, arguments=arguments)

    def _has_exchange(self, name: str) -> bool:
        return self._broker.ask("exchange_declare", name, passive=True) is not None

    def _depth(self, queue: str) -> Depth | None:
        answer = self._broker.ask("queue_declare", queue, passive=True)
        return Depth(int(answer.method.message_count), int(answer.method.consumer_count)) if answer else None

    def _is_bound(self, binding: topology.Binding) -> bool:
        arguments = (binding.queue, binding.exchange, binding.routing_key)
        return self._broker.ask("queue_bind", *arguments) is not None
