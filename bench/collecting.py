"""A full queue and who empties it: how fast samples come to rest, and what pika alone could do."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from bench.lab import Lab
from bench.measure import cpu_seconds
from bench.oracle import check_count
from bench.processes import ROOT, Asked, Service, nephometer
from bench.product import Store
from bench.queue import Queue
from bench.rows import WrongAnswer

LOOK_S, LOOK_AT_LEAST_S, STALLED_S, GIVE_UP_S = 0.05, 1.0, 60.0, 3600.0
COUNTED = re.compile(rb"^nephometer_collector_(?:samples|duplicates)_total (\S+)$", re.MULTILINE)

Kind = Literal["batches", "notifications"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Samples a second, and processor µs a sample."""

    rate: float
    cost: float

    def per(self, messages: int, samples: int) -> "Pace":
        """The same of messages, where so many hold so many samples."""
        return Pace(self.rate * messages / samples, self.cost * samples / messages)


def collector_of(lab: Lab, store: Store, queue: Queue) -> Service:
    """A collector process between a queue and a database."""
    settings = {"database.url": store.url, "bus.url": queue.url}
    return nephometer("collector", lab.new_folder(), "metrics.port", settings)


def collected(lab: Lab, collector: Service, samples: int) -> Pace:
    """How fast so many samples are stored, the processor that of collector and PostgreSQL; raises WrongAnswer."""
    pids = (collector.pid, lab.postgresql.pid)
    with closing(collector.asked()) as asked:
        return pace(lambda: _stored(asked), samples, lambda: sum(map(cpu_seconds, pids)))


def until_stored(collector: Service, samples: int) -> None:
    """Waits until it stored so many samples; raises WrongAnswer when no more come."""
    with closing(collector.asked()) as asked:
        _until(lambda: _stored(asked), samples)


def pace(seen: Callable[[], float], wanted: int, processor_s: Callable[[], float]) -> Pace:
    """Between the first samples that are seen and the last wanted one; raises WrongAnswer when no more come.

    The clock starts when it is at work: with the first samples, which are not counted then.
    """
    begun, first = _until(seen, 1)
    before_s = processor_s()
    end, last = _until(seen, wanted)
    after_s = processor_s()
    if last == first:  # all of it at once, as in the short form, is no rate
        return Pace(last, after_s * 1e6 / last)
    return Pace((last - first) / (end - begun), (after_s - before_s) * 1e6 / (last - first))


def _until(seen: Callable[[], float], wanted: int) -> tuple[float, float]:
    """When at least so many were seen, and how many; raises WrongAnswer when no more come."""
    count, begun = 0.0, time.monotonic()
    moved = begun
    while count < wanted:
        time.sleep(_pause_s(count, wanted, moved - begun))
        before, count = count, seen()
        if count > before:
            moved = time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            raise WrongAnswer(f"{count:.0f} of {wanted} samples came to rest and no more")
    return moved, count


def _pause_s(count: float, wanted: float, taken_s: float) -> float:
    """Until the next look: the nearer the end the shorter, as looking costs whoever is looked at."""
    left_s = taken_s * (wanted - count) / count if count else 0.0
    return max(LOOK_S, min(left_s / 2, LOOK_AT_LEAST_S))


def by_pika(queue: Queue, messages: Sequence[bytes], kind: Kind) -> tuple[float, int]:
    """The seconds in which bare pika takes and decodes all of them, and how much it saw; raises WrongAnswer."""
    count = queue.fill(messages)
    command = [sys.executable, "-m", "bench.peers.consume", queue.url, queue.name, str(count), kind]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=GIVE_UP_S)
    queue.settle()
    check_count("messages bare pika left", queue.waiting, 0)
    seconds, seen = done.stdout.split()
    return float(seconds), int(seen)


def _stored(asked: Asked) -> float:
    return sum(map(float, COUNTED.findall(asked.get("/metrics"))))
