"""From the broker into the database: one collector process, and what the bus alone could do."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice

from bench.collecting import Pace, by_pika, collected, collector_of, until_stored
from bench.lab import Lab
from bench.measure import peak_bytes
from bench.messages import bodies, small_bodies
from bench.oracle import by_project, check, check_count, is_exact
from bench.product import Store, answer
from bench.queue import Queue
from bench.rows import Row, at_least, no_less, no_more
from bench.workload import CPU, METERS, Workload

AGAIN = 50  # one message in so many is delivered twice
DISTINCT = 20_000  # small messages; the others repeat them


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that wait, and how many samples are in them."""

    messages: Sequence[bytes]
    samples: int


class Bus:
    """Broker to stored to acknowledged, with some messages delivered twice, and bare pika, in turns."""

    name = "bus"

    def run(self, lab: Lab) -> Iterator[Row]:
        lab.say("encoding messages")
        workload = lab.live()
        backlog = _backlog(workload)
        ours, limits = [], []
        for number in range(lab.scale.collections):
            lab.say(f"collecting, {number + 1} of {lab.scale.collections}")
            ours.append(_collected(lab, workload, backlog))
            limits.append(_bare(lab, backlog))
        rate, limit = statistics.median(one.rate for one in ours), statistics.median(limits)
        size = sum(map(len, backlog.messages)) / backlog.samples
        yield at_least("broker to stored to acknowledged, one collector", rate, "samples/s", limit, 0.4)
        yield no_less("broker to stored to acknowledged", rate, "samples/s", 150_000)
        yield Row(
            "collector and PostgreSQL, processor", statistics.median(one.cost for one in ours), "µs/sample"
        )
        yield Row("an agent's message, per sample", size, "B")


class Waiting:
    """The memory of a collector with very many messages before it."""

    name = "memory"

    def run(self, lab: Lab) -> Iterator[Row]:
        lab.say("filling the queue")
        store = Store.create(lab.postgresql.create_database())
        with closing(store), Queue(lab.rabbitmq.create_vhost()) as queue:
            small = small_bodies(lab.live(), DISTINCT)
            queue.fill(islice(cycle(small), lab.scale.waiting))
            with collector_of(lab, store, queue) as collector:
                lab.say("watching a collector")
                until_stored(collector, 1)
                time.sleep(lab.scale.watch_s)
                peak = peak_bytes(collector.pid)
        yield no_more(f"collector, {lab.scale.waiting:,} messages waiting", peak / 2**20, "MiB", 400)


def _backlog(workload: Workload) -> Backlog:
    messages = [body for poll in range(workload.size.polls) for body in bodies(workload, poll)]
    again = messages[::AGAIN]
    members = [len(some) for poll in range(workload.size.polls) for some in workload.messages(poll)]
    samples = len(METERS) * (sum(members) + sum(members[::AGAIN]))
    return Backlog(messages + again, samples)


def _collected(lab: Lab, workload: Workload, backlog: Backlog) -> Pace:
    """Of one collector; every answer checked."""
    store = Store.create(lab.postgresql.create_database())
    with closing(store), Queue(lab.rabbitmq.create_vhost()) as queue:
        store.make_ahead(workload.begin)
        queue.fill(backlog.messages)
        with collector_of(lab, store, queue) as collector:
            found = collected(lab, collector, backlog.samples)
        queue.settle()
        check_count("messages left in the queue", queue.waiting, 0)
        check_count("samples stored from the bus", store.count(workload), workload.size.samples)
        told, truth = answer(store.cloud_by_project(workload, CPU)), by_project(workload, CPU)
        check("samples from the bus", told, truth, exact=is_exact(CPU))
    return found


def _bare(lab: Lab, backlog: Backlog) -> float:
    """Samples a second that pika takes and decodes."""
    with Queue(lab.rabbitmq.create_vhost()) as queue:
        seconds, samples = by_pika(queue, backlog.messages, "batches")
    check_count("samples bare pika saw", samples, backlog.samples)
    return backlog.samples / seconds
