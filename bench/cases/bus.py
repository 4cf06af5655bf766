"""From the broker into the database: one collector process, and what the bus alone could do."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice

from bench.lab import Lab
from bench.measure import cpu_seconds, peak_bytes
from bench.messages import bodies, small_bodies
from bench.oracle import by_project, check, check_count, is_exact
from bench.processes import ROOT, Service, nephometer
from bench.product import Store, answer
from bench.queue import Queue
from bench.rows import Row, WrongAnswer, at_least, no_less, no_more
from bench.workload import CPU, METERS, Workload

AGAIN = 50  # one message in so many is delivered twice
DISTINCT = 20_000  # small messages; the others repeat them
LOOK_S, STALLED_S, GIVE_UP_S = 0.05, 30.0, 300.0
COUNTED = re.compile(rb"^nephometer_collector_(?:samples|duplicates)_total (\S+)$", re.MULTILINE)


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
        ours, limits, costs = [], [], []
        for number in range(lab.scale.collections):
            lab.say(f"collecting, {number + 1} of {lab.scale.collections}")
            rate, cost = _collected(lab, workload, backlog)
            ours.append(rate)
            costs.append(cost)
            limits.append(_bare(lab, backlog))
        rate, limit = statistics.median(ours), statistics.median(limits)
        size = sum(map(len, backlog.messages)) / backlog.samples
        yield at_least("broker to stored to acknowledged, one collector", rate, "samples/s", limit, 0.4)
        yield no_less("broker to stored to acknowledged", rate, "samples/s", 150_000)
        yield Row("collector and PostgreSQL, processor", statistics.median(costs), "µs/sample")
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
            with _collector(lab, store, queue) as collector:
                lab.say("watching a collector")
                _wait(collector, 1)
                time.sleep(lab.scale.watch_s)
                peak = peak_bytes(collector.pid)
        yield no_more(f"collector, {lab.scale.waiting:,} messages waiting", peak / 2**20, "MiB", 400)


def _backlog(workload: Workload) -> Backlog:
    messages = [body for poll in range(workload.size.polls) for body in bodies(workload, poll)]
    again = messages[::AGAIN]
    members = [len(some) for poll in range(workload.size.polls) for some in workload.messages(poll)]
    samples = len(METERS) * (sum(members) + sum(members[::AGAIN]))
    return Backlog(messages + again, samples)


def _collected(lab: Lab, workload: Workload, backlog: Backlog) -> tuple[float, float]:
    """Samples a second, and processor µs of collector and PostgreSQL a sample; every answer checked."""
    store = Store.create(lab.postgresql.create_database())
    with closing(store), Queue(lab.rabbitmq.create_vhost()) as queue:
        store.make_ahead(workload.begin)
        queue.fill(backlog.messages)
        with _collector(lab, store, queue) as collector:
            pids = (collector.pid, lab.postgresql.pid)
            # The clock starts when it is at work: with the first samples stored, which are not counted then.
            begun, first = _wait(collector, 1)
            before = sum(map(cpu_seconds, pids))
            end, stored = _wait(collector, backlog.samples)
            after = sum(map(cpu_seconds, pids))
        queue.settle()
        check_count("messages left in the queue", queue.waiting, 0)
        check_count("samples stored from the bus", store.count(workload), workload.size.samples)
        told, truth = answer(store.cloud_by_project(workload, CPU)), by_project(workload, CPU)
        check("samples from the bus", told, truth, exact=is_exact(CPU))
    if stored == first:  # all of it at once, as in the short form, is no rate
        return stored, after * 1e6 / stored
    return (stored - first) / (end - begun), (after - before) * 1e6 / (stored - first)


def _bare(lab: Lab, backlog: Backlog) -> float:
    """Samples a second that pika takes and decodes."""
    with Queue(lab.rabbitmq.create_vhost()) as queue:
        messages = queue.fill(backlog.messages)
        command = [
            sys.executable,
            "-m",
            "bench.peers.consume",
            queue.url,
            queue.name,
            str(messages),
            "batches",
        ]
        done = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=GIVE_UP_S
        )
        queue.settle()
        check_count("messages bare pika left", queue.waiting, 0)
    seconds, samples = done.stdout.split()
    check_count("samples bare pika saw", int(samples), backlog.samples)
    return backlog.samples / float(seconds)


def _collector(lab: Lab, store: Store, queue: Queue) -> Service:
    settings = {"database.url": store.url, "bus.url": queue.url}
    return nephometer("collector", lab.new_folder(), "metrics.port", settings)


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
