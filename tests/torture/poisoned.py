"""Poison among good notifications, from a real broker into a real collector: `make torture` and the tests.

    python -m tests.torture.poisoned [--good 50000]

Every body of the corpus once, evenly among good ones. Afterwards every good sample and event is stored, the queue is
empty, what could not be stored is in quarantine with a reason, and the collector stayed small.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from bench.measure import peak_bytes
from bench.notifications import Figures
from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.gathering import Gathering, Limits
from collector.settings import CollectorSettings
from storage.database import Database
from storage.settings import DatabaseSettings
from storage.tables import quarantine
from tests.broker import RabbitMQ
from tests.collector.factories import StubPublisher, pipeline
from tests.collector.poison_corpus import at, corpus
from tests.end_to_end.program import Program, eventually
from tests.servers import start_postgresql
from tests.torture.conftest import migrated
from tests.torture.traffic import Kept, declare, make, send, waiting

LARGEST_MB = 300


@dataclass(frozen=True, slots=True)
class Fate:
    """What has to become of the poison: bodies in quarantine, samples that are only strange, and how many events."""

    quarantined: frozenset[bytes]
    figures: Mapping[str, Figures]
    events: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of everything: words about what is wrong, and the most memory the collector had."""

    wrong: Sequence[str]
    good: int
    poison: int
    quarantined: int
    peak_mb: float


def fate(bodies: Sequence[bytes], now: datetime) -> Fate:
    """What a pipeline in this process makes of them."""
    publisher = StubPublisher()
    reading = pipeline(publisher, events=EventMapping(load_event_rules()))
    gathering = Gathering(
        {"notifications": Limits(10**6, 10**6, CollectorSettings().notification_limit_bytes)}, 1
    )
    for tag, body in enumerate(bodies):
        gathering.add("notifications", tag, body, now, 0)
    reading.process(gathering.take().messages)
    strange = {
        (one.project_id, one.resource_id, one.meter, one.timestamp): one
        for one in reversed(publisher.samples)
    }
    recent = [one for one in strange.values() if one.timestamp > now - timedelta(hours=1)]
    figures = {
        meter: Figures(
            sum(one.meter == meter for one in recent),
            float(sum(one.volume for one in recent if one.meter == meter)),
        )
        for meter in {one.meter for one in recent}
    }
    quarantined = frozenset(one.body for one in publisher.refused)
    return Fate(quarantined, figures, len({one.id for one in publisher.events}))


def poison(good: int, bus: str, database_url: str, folder: Path) -> Result:
    """Sends it all and waits for what becomes of it."""
    now = datetime.now(UTC)
    time = (now - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    bad = [at(body, time) for body in corpus().values()]
    wanted = fate(bad, now)
    sent = make(good, 0).and_also(wanted.figures, wanted.events)
    declare(bus)
    send(bus, mixed(sent.notifications, bad))
    settings = {"database.url": database_url, "bus.url": bus, "log.level": "error"}
    with closing(Kept(database_url)) as kept, Program("collector", folder, settings) as collector:
        eventually(lambda: waiting(bus) == 0 and kept.has(sent), "all is stored", within_s=600)
        eventually(lambda: not _missing(database_url, wanted), "all poison is quarantined", within_s=60)
        peak_mb = peak_bytes(collector.pid) / 2**20
        collector.stop()
        wrong = kept.wrong(sent)
    if waiting(bus):
        wrong.append(f"{waiting(bus)} messages are in the queue again")
    return Result(wrong, good, len(bad), len(wanted.quarantined), peak_mb)


def mixed(good: Sequence[bytes], bad: Sequence[bytes]) -> list[bytes]:
    """Both, the bad ones evenly among the good ones."""
    every = len(good) // len(bad)
    found: list[bytes] = []
    for number, body in enumerate(bad):
        found += [*good[number * every : (number + 1) * every], body]
    return found + list(good[len(bad) * every :])


def _missing(url: str, wanted: Fate) -> set[bytes]:
    """Bodies that are not in quarantine, or not with a reason."""
    database = Database(DatabaseSettings(url=url))
    with database.read() as connection:
        rows = connection.execute(select(quarantine.c.body, quarantine.c.reason)).all()
    database.dispose()
    return set(wanted.quarantined) - {bytes(row.body) for row in rows if row.reason}


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture.poisoned", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--good", type=int, default=50_000)
    options = parser.parse_args()
    with (
        closing(RabbitMQ()) as broker,
        closing(start_postgresql()) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        broker.start()
        url = migrated(server.create_database())
        result = poison(options.good, broker.create_vhost(), url, Path(folder))
    is_small = result.peak_mb < LARGEST_MB
    line = {
        "suite": "poison",
        "good": result.good,
        "poison": result.poison,
        "quarantined": result.quarantined,
        "wrong": list(result.wrong),
        "rss_mb": round(result.peak_mb, 1),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if is_small and not result.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
