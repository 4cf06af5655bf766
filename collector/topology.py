"""Which exchanges, queues and bindings there have to be, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from collector.addresses import parse_address
from collector.gathering import Limits
from collector.message import Origin
from collector.settings import BusSettings, CollectorSettings
from collector.work import AT_ONCE
from storage.settings import age

SAMPLE_ROUTING_KEY = "samples"
DEAD_SUFFIX = ".dead"

# Sampled values and usage come at these, and failures, which are events and no samples.
PRIORITIES = ("info", "sample", "audit", "error")

# A delivery counts again whenever its channel ends, also when the broker closes it because a database stayed
# away for its consumer_timeout (30 minutes). So the limit ends only what kills collector after collector.
DELIVERY_LIMIT = 1000

REJECT, DROP = "reject-publish", "drop-head"
SEGMENT_BYTES = 50 * 10**6  # of a stream
HOW_TO_ALLOW = (
    "let the collector's account configure queues of ours; "
    "a broker without quorum queues wants bus.queue_type = classic, one without streams no bus.stream"
)
OSLO_PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")
CEILOMETERS_QUEUES = ("metering.sample", "event.sample", "alarm.all.sample")


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange to create where it is absent; one that exists stays as it is."""

    name: str
    type: Literal["topic", "direct", "fanout"]
    durable: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue of ours."""

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
class Depth:
    """What waits in a queue, and how many read it."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What a broker looked like.

    The exchanges it lacks; our queues that it has; of these, what the broker says about those that differ from what the
    settings ask for; and queues of others that may be read by nobody. The last two only after a thorough look.
    """

    address: str
    missing_exchanges: tuple[str, ...]
    queues: Mapping[str, Depth]
    differing: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Depth] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Messages in our queues; what the stream keeps waits for nobody and is not among them."""
        return sum(depth.messages for depth in self.queues.values())


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
    """When a batch is large enough: with a quarter of what may be unacknowledged at the latest.

    So a third one is complete while two are in work. A batch has some more than its limit, as much as is read at once:
    with thirds of what may come, the third one would lack these and wait until nothing came for a while.
    """

    def limit(prefetched: int, body_bytes: int) -> Limits:
        return Limits(max(1, prefetched // (AT_ONCE + 2)), options.batch_size, body_bytes)

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
    dead = Queue(settings.dead_queue, {"x-queue-type": settings.queue_type} | _length(settings, DROP))
    return [
        dead,
        *(Queue(queue_name(settings, origin), _arguments(settings, origin)) for origin in feed.origins),
    ]


def stream(settings: BusSettings, feed: Feed) -> Queue | None:
    """The archive of notifications, if the feed has them and the settings name one.

    Age and size are looked at segment by segment, so segments are small.
    """
    if not settings.stream or "notifications" not in feed.origins:
        return None
    return Queue(
        settings.stream,
        {
            "x-queue-type": "stream",
            "x-max-age": f"{int(age(settings.stream_max_age).total_seconds())}s",
            "x-max-length-bytes": settings.stream_max_bytes,
            "x-stream-max-segment-size-bytes": SEGMENT_BYTES,
        },
    )


def foreign_queues(settings: BusSettings) -> list[str]:
    """Queues that may fill while nobody reads them: oslo.messaging's, Ceilometer's, and ours of earlier settings.

    The last can only be known where they had the names we give unless told otherwise.
    """
    of_services = [f"{topic}.{priority}" for topic in settings.topics for priority in OSLO_PRIORITIES]
    ours = {settings.notification_queue, settings.sample_queue, settings.dead_queue, settings.stream}
    names = ("notification_queue", "sample_queue", "dead_queue")
    unless_told = [BusSettings.model_fields[name].default for name in names]
    return [*of_services, *CEILOMETERS_QUEUES, *(name for name in unless_told if name not in ours)]


def _arguments(settings: BusSettings, origin: Origin) -> dict[str, str | int]:
    """Of a queue that is consumed.

    A full queue of notifications must not refuse: oslo.messaging waits for confirms and tries again for ever, and with
    it the service (seen with 18.3). So its oldest go to the dead letters. A refused agent keeps its batch.
    """
    bound = _length(settings, DROP if origin == "notifications" else REJECT)
    arguments = {
        "x-queue-type": settings.queue_type,
        "x-dead-letter-exchange": settings.exchange + DEAD_SUFFIX,
        **bound,
    }
    if settings.queue_type == "quorum":
        arguments["x-delivery-limit"] = DELIVERY_LIMIT
        if bound.get("x-overflow") != DROP:
            arguments |= {
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": REJECT,
            }  # one wants the other
    if settings.queue_max_age is not None:
        arguments["x-message-ttl"] = int(age(settings.queue_max_age).total_seconds() * 1000)
    return arguments


def _length(settings: BusSettings, when_full: str) -> dict[str, str | int]:
    if not settings.queue_max_length:
        return {}
    return {"x-max-length": settings.queue_max_length, "x-overflow": when_full}


def bindings(settings: BusSettings, feed: Feed) -> list[Binding]:
    """The bindings a feed needs."""
    wanted = [Binding(settings.dead_queue, settings.exchange + DEAD_SUFFIX, "")]
    if "agent" in feed.origins:
        wanted.append(Binding(settings.sample_queue, settings.exchange, SAMPLE_ROUTING_KEY))
    if "notifications" in feed.origins:
        takers = [settings.notification_queue, *([settings.stream] if settings.stream else [])]
        wanted += [binding for queue in takers for binding in notification_bindings(settings, queue)]
    return wanted


def notification_bindings(settings: BusSettings, queue: str) -> list[Binding]:
    """What a queue that takes every notification is bound to, grouped by exchange."""
    return [
        Binding(queue, exchange, f"{topic}.{priority}")
        for exchange in settings.exchanges
        for topic in settings.topics
        for priority in PRIORITIES
    ]


def how_to_change(queue: str) -> str:
    """What an operator does about a queue that was made with other settings: no client can change one."""
    return (
        "set bus.queue_* as the queue is; or stop the collectors once it is empty, "
        f"`rabbitmqctl delete_queue {queue}`, and start them: they make it anew"
    )


def address(url: SecretStr) -> str:
    """Servers and virtual host of a broker, without users and passwords: fit for logs and metrics."""
    try:
        return str(parse_address(url.get_secret_value()))
    except ValueError:
        return "a broker whose URL cannot be read"
