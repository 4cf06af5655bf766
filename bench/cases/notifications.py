"""Notifications of services from the broker into the database, against bare pika and against Ceilometer's agent."""

import math
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pika

from bench.lab import Lab
from bench.measure import cpu_seconds
from bench.notifications import Figures, Traffic, expected, traffic
from bench.oracle import check_count
from bench.processes import ROOT, Service, nephometer
from bench.product import Store
from bench.queue import PERSISTENT, Queue
from bench.rows import Row, WrongAnswer, at_least
from tests.peers import agent, record

SPAN = timedelta(
    minutes=8
)  # in which the messages were sent; less than the time after which an hour is closed
AGAIN = 50  # one message in so many is delivered twice
LOOK_S, STALLED_S = 0.02, 60.0
GIVE_UP = timedelta(hours=1)
COUNTED = re.compile(rb"^nephometer_collector_(?:samples|duplicates)_total (\S+)$", re.MULTILINE)


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
        ours, costs, limits, peers, peer_costs = [], [], [], [], []
        for number in range(lab.scale.collections):
            lab.say(f"collecting, {number + 1} of {lab.scale.collections}")
            rate, cost = _collected(lab, backlog)
            ours.append(rate)
            costs.append(cost)
            limits.append(_bare(lab, backlog))
            if agent.is_installed():
                lab.say(f"Ceilometer collects, {number + 1} of {lab.scale.collections}")
                rate, cost = _by_ceilometer(lab, backlog.traffic)
                peers.append(rate)
                peer_costs.append(cost)
        rate, limit = statistics.median(ours), statistics.median(limits)
        size = sum(map(len, backlog.messages)) / len(backlog.messages)
        yield at_least("notifications stored, one collector", rate, "messages/s", limit, 0.15)
        if peers:
            name = "notifications stored, against Ceilometer's agent"
            yield at_least(name, rate, "messages/s", statistics.median(peers), 5)
            yield Row("Ceilometer's agent, processor", statistics.median(peer_costs), "µs/message")
        yield Row("collector and PostgreSQL, processor", statistics.median(costs), "µs/message")
        yield Row("a notification", size, "B")


def _backlog(count: int) -> Backlog:
    sent = traffic(count, datetime.now(UTC), SPAN)
    figures, again = expected(sent.recorded), expected(sent.recorded[::AGAIN])
    samples = sum(one.count for one in [*figures.values(), *again.values()])
    return Backlog(sent, [*sent.messages, *sent.messages[::AGAIN]], samples, figures)


def _collected(lab: Lab, backlog: Backlog) -> tuple[float, float]:
    """Messages a second, and processor µs of collector and PostgreSQL a message."""
    store = Store.create(lab.postgresql.create_database())
    with closing(store), Queue(lab.rabbitmq.create_vhost(), "notifications") as queue:
        queue.fill(backlog.messages)
        settings = {"database.url": store.url, "bus.url": queue.url}
        with nephometer("collector", lab.new_folder(), "metrics.port", settings) as collector:
            pids = (collector.pid, lab.postgresql.pid)
            # The clock starts when it is at work: with the first samples stored, which are not counted then.
            begun, first = _wait(collector, 1)
            before = sum(map(cpu_seconds, pids))
            end, stored = _wait(collector, backlog.samples)
            after = sum(map(cpu_seconds, pids))
        queue.settle()
        check_count("messages left in the queue", queue.waiting, 0)
        _check(store, backlog)
    if stored == first:  # all of it at once, as in the short form, is no rate
        return stored, after * 1e6 / stored
    share = (stored - first) / backlog.samples * len(backlog.messages)
    return share / (end - begun), (after - before) * 1e6 / share


def _check(store: Store, backlog: Backlog) -> None:
    now = datetime.now(UTC)
    for meter, truth in backlog.figures.items():
        count, total = store.of_meter(meter, now - GIVE_UP, now)
        check_count(f"samples of {meter}", count, truth.count)
        if not math.isclose(total, truth.total, rel_tol=1e-9):
            raise WrongAnswer(f"the sum of {meter} is {total} instead of {truth.total}")


def _bare(lab: Lab, backlog: Backlog) -> float:
    """Messages a second that pika takes and decodes."""
    with Queue(lab.rabbitmq.create_vhost(), "notifications") as queue:
        messages = queue.fill(backlog.messages)
        command = [sys.executable, "-m", "bench.peers.consume", queue.url, queue.name, str(messages)]
        done = subprocess.run(
            [*command, "notifications"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=GIVE_UP.total_seconds(),
        )
    seconds, seen = done.stdout.split()
    check_count("notifications bare pika saw", int(seen), messages)
    return messages / float(seconds)


def _by_ceilometer(lab: Lab, sent: Traffic) -> tuple[float, float]:
    """Messages a second that become samples in a file, and processor µs a message."""
    url = lab.rabbitmq.create_vhost()
    agent.declare(url)
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    with closing(pika.BlockingConnection(parameters)) as connection:
        channel = connection.channel()
        for body in sent.messages:
            channel.basic_publish(agent.EXCHANGE, agent.QUEUE, body, PERSISTENT)
        wanted = _samples_of_ceilometer(sent.recorded)
        with agent.running(url, lab.new_folder()) as peer:
            begun, first, before = _wait_for(peer, 0, 1)
            end, written, after = _wait_for(peer, first, wanted)
            check_count("samples Ceilometer wrote", written, wanted)
    share = (written - first) / wanted * len(sent.messages)
    if not share:
        return len(sent.messages), after * 1e6 / len(sent.messages)
    return share / (end - begun), (after - before) * 1e6 / share


def _samples_of_ceilometer(recorded: Sequence[str]) -> int:
    """How many samples Ceilometer makes of these, as it answered when it was asked one by one."""
    answers = record.answers()
    return sum(len(answers[name] or ()) * count for name, count in Counter(recorded).items())


def _wait(collector: Service, samples: int) -> tuple[float, float]:
    """When at least so many samples were seen to be stored, and how many; raises WrongAnswer when nothing more is."""
    stored, moved = 0.0, time.monotonic()
    with closing(collector.asked()) as asked:
        while stored < samples:
            time.sleep(LOOK_S)
            before, stored = stored, sum(map(float, COUNTED.findall(asked.get("/metrics"))))
            if stored > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STALLED_S:
                raise WrongAnswer(f"the collector stored {stored:.0f} of {samples} samples and no more")
    return moved, stored


def _wait_for(peer: agent.Agent, written: int, samples: int) -> tuple[float, int, float]:
    """When it had written so many samples, how many there were, and the processor time it had used."""
    moved = time.monotonic()
    while written < samples:
        time.sleep(LOOK_S)
        before, written = written, written + len(peer.lines())
        if written > before:
            moved = time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            raise WrongAnswer(f"Ceilometer wrote {written} of {samples} samples and no more")
    return moved, written, cpu_seconds(peer.pid)
