"""`make soak`: days of a small cloud in minutes, through the real broker, collector and database.

    python -m tests.torture.soak [--minutes 10] [--instances 100] [--seed 1] [--database mariadb]

The collector is the real role in a process of its own, maintenance and all; only its clock runs fast, so that hours
are closed, sealed, compacted and dropped all the while. Exit status 1 when an answer was wrong or memory grew.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
from pydantic import SecretStr

from collector.bus import SamplePublisher
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from storage.database import Database
from storage.settings import DatabaseSettings
from tests.broker import RabbitMQ
from tests.end_to_end.program import environment, eventually
from tests.servers import DatabaseServer, start_mariadb, start_postgresql
from tests.torture import soak_collector
from tests.torture.conftest import migrated
from tests.torture.soak_answers import Watch, assert_right
from tests.torture.soak_history import BEGIN, EVERY, METERS, Account, Cloud

WARM_S = 2.0
MARGIN = 1.05  # of the median of the last third to that of the second
MARGIN_MB = 5.0
SERVERS: Mapping[str, Callable[[], DatabaseServer]] = {
    "postgresql": start_postgresql,
    "mariadb": start_mariadb,
}
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast (simulated seconds a second), and how much."""

    seconds: float
    speed: float
    instances: int
    seed: int


@dataclass(slots=True)
class Result:
    """What a soak came to; memory in MB, once a second."""

    account: Account = field(default_factory=Account)
    rss_mb: list[float] = field(default_factory=list)
    queries: int = 0
    messages: int = 0

    @property
    def thirds(self) -> tuple[float, float]:
        """The medians of memory in the second and the last third."""
        third = len(self.rss_mb) // 3
        return statistics.median(self.rss_mb[third : 2 * third]), statistics.median(self.rss_mb[2 * third :])


def soak(plan: Plan, bus: str, database_url: str, folder: Path, say: Callable[[str], None]) -> Result:
    """Runs it; raises AssertionError for a wrong answer."""
    since = time.time() + WARM_S
    clock = soak_collector.fast_clock(BEGIN.timestamp(), since, plan.speed)
    database = Database(DatabaseSettings(url=database_url))
    result, cloud = Result(), Cloud(plan.instances, plan.seed)
    with _collector(plan, bus, database_url, folder, since) as process:
        watch = Watch(database)
        stop = threading.Event()
        watching = threading.Thread(target=watch.run, args=(stop,))
        measuring = threading.Thread(target=_measure, args=(process.pid, result, say, stop))
        measuring.start()
        watching.start()
        try:
            _send(plan, cloud, SamplePublisher(BusSettings(url=SecretStr(bus))), clock, result, watch)
        finally:
            stop.set()
            watching.join()
            measuring.join()
        watch.check()
        result.queries = watch.queries
        say("everything is sent: waiting until it is stored and maintained")
        eventually(lambda: watch.count() == watch.begun, "everything is stored", within_s=120)
        eventually(lambda: watch.is_maintained(clock()), "everything is maintained", within_s=120)
        assert_right(database, result.account)
        process.terminate()
        assert process.wait(15) == 0
    database.dispose()
    return result


def _send(
    plan: Plan,
    cloud: Cloud,
    publisher: SamplePublisher,
    clock: Callable[[], datetime],
    result: Result,
    watch: Watch,
) -> None:
    """Every poll at its time; the late ones of the last day at the end."""
    polls = int(plan.seconds * plan.speed / EVERY.total_seconds())
    pause = threading.Event()

    def tell(node: int, poll: int, *, is_new: bool) -> None:
        samples = cloud.samples(node, poll)
        if is_new:
            result.account.add(samples)
            watch.begun += len(samples) // len(METERS)
        _publish(publisher, encode_batch(samples))
        result.messages += 1

    for poll in range(polls):
        pause.wait(max(0.0, (BEGIN + poll * EVERY - clock()).total_seconds() / plan.speed))
        for node, number, is_new in cloud.due(poll):
            tell(node, number, is_new=is_new)
    for node, number, is_new in cloud.rest():
        tell(node, number, is_new=is_new)
    publisher.close()


def _publish(publisher: SamplePublisher, body: bytes) -> None:
    """As an agent does: until the broker has it, which at first has no queue."""

    def sent() -> bool:
        with suppress(BusUnavailable):
            publisher.send(body)
            return True
        return False

    eventually(sent, "the broker takes a message")


@contextmanager
def _collector(
    plan: Plan, bus: str, database_url: str, folder: Path, since: float
) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "database.url": database_url,
        "bus.url": bus,
        "collector.batch_wait": "0.2",
        "maintenance.interval_s": "1",
        "maintenance.lease_s": "3600",
        "maintenance.grace_s": str(min(86_400.0, 2 * plan.speed)),
        "maintenance.late_wait_s": str(min(86_400.0, plan.speed)),
        "log.level": "warning",
    }
    clock = [str(BEGIN.timestamp()), str(since), str(plan.speed)]
    variables = {**environment(folder, settings), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.torture.soak_collector", *clock]
    log = folder / "collector.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, cwd=folder, stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        except BaseException:
            sys.stderr.write(log.read_text()[-4000:])
            raise
        finally:
            process.kill()


def _measure(pid: int, result: Result, say: Callable[[str], None], stop: threading.Event) -> None:
    """Memory of the collector once a second, said now and then."""
    collector = psutil.Process(pid)
    while not stop.wait(1):
        result.rss_mb.append(collector.memory_info().rss / 2**20)
        if len(result.rss_mb) % 30 == 10:
            sent = sum(count for count, *_ in result.account.cells.copy().values())
            say(f"{len(result.rss_mb):5} s  {result.rss_mb[-1]:7.1f} MB  {sent:10,} samples sent")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=SERVERS, default="postgresql")
    options = parser.parse_args()
    plan = Plan(60 * options.minutes, 720, options.instances, options.seed)
    with (
        closing(RabbitMQ()) as broker,
        closing(SERVERS[options.database]()) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        broker.start()
        url = migrated(server.create_database())
        result = soak(plan, broker.create_vhost(), url, Path(folder), print)
    second, last = result.thirds
    flat = last <= MARGIN * second + MARGIN_MB
    samples = sum(count for count, *_ in result.account.cells.values())
    figures = {
        "suite": "soak",
        "database": options.database,
        "minutes": options.minutes,
        "days": round(plan.seconds * plan.speed / 86_400, 1),
        "messages": result.messages,
        "samples": samples,
        "lost": 0,
        "doubled": 0,
        "queries": result.queries,
        "rss_mb_second_third": round(second, 1),
        "rss_mb_last_third": round(last, 1),
        "flat": flat,
        "seed": plan.seed,
        "cores": os.cpu_count(),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
