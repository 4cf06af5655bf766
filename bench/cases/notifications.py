"""Notifications of services from the broker into the database, against bare pika and against Ceilometer's agent."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pika

from bench.collecting import Pace, by_pika, collected, collector_of, pace
from bench.lab import Lab
from bench.measure import cpu_seconds
from bench.notifications import Figures, Traffic, expected, traffic
from bench.oracle import check_count
from bench.product import Store
from bench.queue import PERSISTENT, Queue
from bench.rows import Row, WrongAnswer, at_least
from tests.peers import agent, record

SPAN = timedelta(
    minutes=8
)  # in which the messages were sent; less than the time after which an hour is closed
AGAIN = 50  # one message in so many is delivered twice
AGE_MAX = timedelta(hours=1)  # of a sample


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that wait, some of them twice, how many samples are in them, and what these come to, counted once."""

    traffic: Traffic
    messages: Sequence[bytes]
    samples: int
    figures: Mapping[str, Figures]


class Notifications:
    """One collector process on a full queue of notifications, in turns with bare pika and with Ceilometer's agent."""

    name = "notifications"

    def run(self, lab: Lab) -> Iterator[Row]:
        backlog = _backlog(lab.scale.notifications)
        ours, limits, peers, halves = [], [], [], []
        for number in range(lab.scale.collections):
            lab.say(f"collecting, {number + 1} of {lab.scale.collections}")
            ours.append(_collected(lab, backlog))
            limits.append(_bare(lab, backlog))
            if agent.is_installed():
                lab.say(f"Ceilometer collects, {number + 1} of {lab.scale.collections}")
                peers.append(_by_ceilometer(lab, backlog.traffic, agent.BOTH))
                halves.append(_by_ceilometer(lab, backlog.traffic, agent.METERS))
        rate, limit = statistics.median(one.rate for one in ours), statistics.median(limits)
        size = sum(map(len, backlog.messages)) / len(backlog.messages)
        yield at_least("notifications stored, one collector", rate, "messages/s", limit, 0.15)
        if peers:
            name, half = "notifications stored, against Ceilometer's agent", _median(halves)
            yield at_least(name, rate, "messages/s", _median(peers).rate, 5)
            yield Row(f"{name} without events", rate, "messages/s", half.rate, rate / half.rate)
            yield Row("Ceilometer's agent, processor", _median(peers).cost, "µs/message")
        yield Row(
            "collector and PostgreSQL, processor", statistics.median(one.cost for one in ours), "µs/message"
        )
        yield Row("a notification", size, "B")


def _backlog(count: int) -> Backlog:
    sent = traffic(count, datetime.now(UTC), SPAN)
    figures, again = expected(sent.recorded), expected(sent.recorded[::AGAIN])
    samples = sum(one.count for one in [*figures.values(), *again.values()])
    return Backlog(sent, [*sent.messages, *sent.messages[::AGAIN]], samples, figures)


def _collected(lab: Lab, backlog: Backlog) -> Pace:
    """Of one collector, by messages; every answer checked."""
    store = Store.create(lab.postgresql.create_database())
    with closing(store), Queue(lab.rabbitmq.create_vhost(), "notifications") as queue:
        queue.fill(backlog.messages)
        with collector_of(lab, store, queue) as collector:
            found = collected(lab, collector, backlog.samples)
        queue.settle()
        check_count("messages left in the queue", queue.waiting, 0)
        _check(store, backlog)
    return found.per(len(backlog.messages), backlog.samples)


def _check(store: Store, backlog: Backlog) -> None:
    now = datetime.now(UTC)
    for meter, truth in backlog.figures.items():
        count, total = store.of_meter(meter, now - AGE_MAX, now)
        check_count(f"samples of {meter}", count, truth.count)
        if not math.isclose(total, truth.total, rel_tol=1e-9):
            raise WrongAnswer(f"the sum of {meter} is {total} instead of {truth.total}")


def _bare(lab: Lab, backlog: Backlog) -> float:
    """Messages a second that pika takes and decodes."""
    with Queue(lab.rabbitmq.create_vhost(), "notifications") as queue:
        seconds, messages = by_pika(queue, backlog.messages, "notifications")
    check_count("notifications bare pika saw", messages, len(backlog.messages))
    return messages / seconds


def _median(paces: Sequence[Pace]) -> Pace:
    return Pace(statistics.median(one.rate for one in paces), statistics.median(one.cost for one in paces))


def _by_ceilometer(lab: Lab, sent: Traffic, pipelines: Sequence[str]) -> Pace:
    """Of Ceilometer's agent, by messages, which become samples in a file, and events in another."""
    url = lab.rabbitmq.create_vhost()
    agent.declare(url)
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    with closing(pika.BlockingConnection(parameters)) as connection:
        channel = connection.channel()
        for body in sent.messages:
            channel.basic_publish(agent.EXCHANGE, agent.QUEUE, body, PERSISTENT)
        wanted = _samples_of_ceilometer(sent.recorded)
        with agent.running(url, lab.new_folder(), pipelines=pipelines) as peer:
            found = pace(peer.written, wanted, lambda: cpu_seconds(peer.pid))
            check_count("samples Ceilometer wrote", peer.written(), wanted)
            if peer.events.exists() != ("event" in pipelines):
                raise WrongAnswer(
                    f"Ceilometer was to run {pipelines}; are there events: {peer.events.exists()}"
                )
    return found.per(len(sent.messages), wanted)


def _samples_of_ceilometer(recorded: Sequence[str]) -> int:
    """How many samples Ceilometer makes of these, as it answered when it was asked one by one."""
    answers = record.answers()
    return sum(len(answers[name] or ()) * count for name, count in Counter(recorded).items())
