"""Which exchanges, queues and bindings there have to be, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from collector.addresses import parse_address
from collector.gathering import Limits
from collector.message import Origin
from collector.settings import BusSettings, CollectorSettings

SAMPLE_ROUTING_KEY = "samples"
DEAD_SUFFIX = ".dead"

# Sampled values and usage come at these, and failures, which are events and no samples.
PRIORITIES = ("info", "sample", "audit", "error")

# A delivery counts again whenever its channel ends, also when the broker closes it because a database stayed
# away for its consumer_timeout (30 minutes). So the limit ends only what kills collector after collector.
DELIVERY_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange to create where it is absent; one that exists stays as it is."""

    name: str
    type: Literal["topic", "direct", "fanout"]
    durable: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue of ours."""

    name: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Binding:
    """A queue of ours takes what an exchange gets with this routing key."""

    queue: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One broker and what is consumed from it."""

    url: SecretStr
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What a broker looked like: the exchanges it lacks, and what waits in our queues that it has."""

    address: str
    missing_exchanges: tuple[str, ...]
    waiting: Mapping[str, int]


def feeds(settings: BusSettings) -> list[Feed]:
    """The brokers to consume from: agents' batches from `url`, notifications from their sources."""
    origins: dict[str, list[Origin]] = {}
    if settings.url:
        origins.setdefault(settings.url.get_secret_value(), []).append("agent")
    for url in settings.notification_sources:
        origins.setdefault(url.get_secret_value(), []).append("notifications")
    return [Feed(SecretStr(url), tuple(taken)) for url, taken in origins.items()]


def prefetch(settings: BusSettings, origin: Origin) -> int:
    """How many messages of this origin may be unacknowledged."""
    return settings.notification_prefetch if origin == "notifications" else settings.sample_prefetch


def limits(settings: BusSettings, options: CollectorSettings) -> dict[Origin, Limits]:
    """When a batch is large enough: with half of what may be unacknowledged at the latest.

    So the next one is gathered while one is in work.
    """

    def limit(prefetched: int, body_bytes: int) -> Limits:
        return Limits(max(1, prefetched // 2), options.batch_size, body_bytes)

    return {
        "notifications": limit(settings.notification_prefetch, options.notification_limit_bytes),
        "agent": limit(settings.sample_prefetch, options.sample_limit_bytes),
    }


def queue_name(settings: BusSettings, origin: Origin) -> str:
    """The queue from which messages of this origin come."""
    return settings.notification_queue if origin == "notifications" else settings.sample_queue


def exchanges(settings: BusSettings, feed: Feed) -> list[Exchange]:
    """The exchanges a feed needs: ours first, then the services' as oslo.messaging would create them."""
    ours = [
        Exchange(settings.exchange, "direct", durable=True),
        Exchange(settings.exchange + DEAD_SUFFIX, "fanout", durable=True),
    ]
    if "notifications" not in feed.origins:
        return ours
    return [*ours, *(Exchange(name, "topic", settings.durable_exchanges) for name in settings.exchanges)]


def queues(settings: BusSettings, feed: Feed) -> list[Queue]:
    """The queues a feed needs, the dead letters' first."""
    arguments: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": settings.exchange + DEAD_SUFFIX,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    dead = Queue(settings.dead_queue, {"x-queue-type": "quorum"})
    return [dead, *(Queue(queue_name(settings, origin), arguments) for origin in feed.origins)]


def bindings(settings: BusSettings, feed: Feed) -> list[Binding]:
    """The bindings a feed needs, grouped by exchange."""
    wanted = [Binding(settings.dead_queue, settings.exchange + DEAD_SUFFIX, "")]
    if "agent" in feed.origins:
        wanted.append(Binding(settings.sample_queue, settings.exchange, SAMPLE_ROUTING_KEY))
    if "notifications" in feed.origins:
        wanted += [
            Binding(settings.notification_queue, exchange, f"{topic}.{priority}")
            for exchange in settings.exchanges
            for topic in settings.topics
            for priority in PRIORITIES
        ]
    return wanted


def address(url: SecretStr) -> str:
    """Servers and virtual host of a broker, without users and passwords: fit for logs and metrics."""
    try:
        return str(parse_address(url.get_secret_value()))
    except ValueError:
        return "a broker whose URL cannot be read"
