"""Notifications and agents' batches sent to a broker, and whether exactly what they hold is stored."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pika
from pydantic import SecretStr
from sqlalchemy import func, select

from bench.notifications import Figures, expected, traffic
from bench.product import Store
from bench.queue import INFO, NOTIFYING, PERSISTENT
from collector import topology
from collector.envelope import encode_batch
from collector.settings import BusSettings
from storage.database import Database
from storage.sample import Sample
from storage.settings import DatabaseSettings
from storage.tables_events import event

SPAN = timedelta(minutes=8)
TICK = "tick"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bodies of both kinds, and what has to be stored: of each meter the figures, and so many events."""

    notifications: Sequence[bytes]
    batches: Sequence[bytes]
    figures: Mapping[str, Figures]
    events: int

    def and_also(self, figures: Mapping[str, Figures], events: int) -> "Traffic":
        """The same bodies when other ones, sent beside them, hold this."""
        none = Figures(0, 0.0)
        both = {
            meter: (self.figures.get(meter, none), figures.get(meter, none))
            for meter in {*self.figures, *figures}
        }
        summed = {
            meter: Figures(one.count + other.count, one.total + other.total)
            for meter, (one, other) in both.items()
        }
        return replace(self, figures=summed, events=self.events + events)

    @property
    def samples(self) -> int:
        return sum(one.count for one in self.figures.values())


def make(notifications: int, batches: int, per_batch: int = 100) -> Traffic:
    """So many of each, of the last minutes; every reading of a batch is 1."""
    now = datetime.now(UTC)
    sent = traffic(notifications, now, SPAN)
    bodies = [
        encode_batch(
            [
                Sample(
                    TICK,
                    "gauge",
                    "B",
                    1,
                    f"node-{place}",
                    "project",
                    now - timedelta(milliseconds=20 * number),
                )
                for place in range(per_batch)
            ]
        )
        for number in range(batches)
    ]
    count = batches * per_batch
    figures = {**expected(sent.recorded), **({TICK: Figures(count, float(count))} if count else {})}
    return Traffic(sent.messages, bodies, figures, notifications)


def declare(url: str) -> None:
    """Our exchanges and queues as the collector makes them, so that nothing is sent to nobody."""
    settings = BusSettings(url=SecretStr(url))
    with closing(_connection(url)) as connection:
        channel = connection.channel()
        for feed in topology.feeds(settings):
            for exchange in topology.exchanges(settings, feed):
                channel.exchange_declare(exchange.name, exchange.type, durable=exchange.durable)
            for queue in topology.queues(settings, feed):
                channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
            for binding in topology.bindings(settings, feed):
                channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)


def send(url: str, notifications: Sequence[bytes], batches: Sequence[bytes] = ()) -> None:
    """Publish all of them; what the broker did not take in time raises.

    The connection stays until all are in their queues: a queue that is only just there may lose what is on its way.
    """
    settings = BusSettings(url=SecretStr(url))
    with closing(_connection(url)) as connection:
        for exchange, key, bodies in (
            (NOTIFYING, INFO, notifications),
            (settings.exchange, topology.SAMPLE_ROUTING_KEY, batches),
        ):
            channel = connection.channel()
            for body in bodies:
                channel.basic_publish(exchange, key, body, PERSISTENT)
        deadline = time.monotonic() + 120
        while waiting(url) < len(notifications) + len(batches):
            assert time.monotonic() < deadline, "the broker did not take all messages"
            connection.process_data_events(time_limit=0.1)


def waiting(url: str) -> int:
    """How many messages wait in both queues."""
    settings = BusSettings(url=SecretStr(url))
    with closing(_connection(url)) as connection:
        channel = connection.channel()
        names = (settings.notification_queue, settings.sample_queue)
        return sum(int(channel.queue_declare(name, passive=True).method.message_count) for name in names)


class Kept:
    """What a database has of it."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)
        self._database = Database(DatabaseSettings(url=url))

    def close(self) -> None:
        self._store.close()
        self._database.dispose()

    def events(self) -> int:
        """How many events there are."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(event)).scalar_one())

    def of_meter(self, meter: str) -> tuple[int, float]:
        """How many samples of a meter there are of the last hour, and their sum."""
        now = datetime.now(UTC)
        return self._store.of_meter(meter, now - timedelta(hours=1), now + timedelta(minutes=1))

    def has(self, sent: Traffic) -> bool:
        """Whether it looks as if all of it were there."""
        return self.events() >= sent.events and all(
            self.of_meter(meter)[0] >= truth.count for meter, truth in sent.figures.items()
        )

    def wrong(self, sent: Traffic) -> list[str]:
        """What is lost or doubled, in words; empty when everything is there once."""
        told = []
        for meter, truth in sent.figures.items():
            count, total = self.of_meter(meter)
            if count != truth.count or abs(total - truth.total) > 1e-9 * max(1.0, abs(truth.total)):
                told.append(f"{meter}: {count} samples of sum {total}, not {truth.count} of {truth.total}")
        events = self.events()
        if events != sent.events:
            told.append(f"{events} events, not {sent.events}")
        return told


def _connection(url: str) -> pika.BlockingConnection:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    return pika.BlockingConnection(parameters)
