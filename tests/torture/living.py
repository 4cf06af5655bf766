"""Lives a life in a process of its own, which can be killed; another process goes on where it ended.

What is acknowledged stands in a journal, one line for each: SIGKILL takes back no line that was written.
"""

import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.definitions import load_definitions
from collector.envelope import encode_batch
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.lives import Lives
from collector.mapping import MeterMapping
from collector.metrics import CollectorMetrics
from collector.pipeline import Message, Pipeline
from collector.publishers.database import DatabasePublisher
from collector.sightings import Witness
from storage.database import Database
from storage.event import Event
from storage.events import Events
from storage.faults import ARMED
from storage.ingest.batch import SampleBatch
from storage.log import configure
from storage.samples import Samples
from storage.segments import Segments
from storage.settings import DatabaseSettings
from storage.upkeep.maintenance import Maintenance
from tests.torture.life import MAINTENANCE, RETENTION, Delivery, Life, event_of, life
from tests.torture.oracle import Oracle

SERVER = multiprocessing.get_context(
    "forkserver"
)  # a child is there in milliseconds, and has no thread of ours
SERVER.set_forkserver_preload(["tests.torture.living"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a life is lived: the database, the journal, and which life."""

    url: str
    journal: Path
    days: int
    seed: int

    @property
    def life(self) -> Life:
        """What happens."""
        return life(self.days, self.seed)

    @property
    def acknowledged(self) -> int:
        """How many of it are over."""
        return len(self.journal.read_bytes().splitlines()) if self.journal.exists() else 0

    def oracles(self) -> tuple[Oracle, Oracle]:
        """What must be there now: what was acknowledged, or also what was being done when the process died."""
        done = self.acknowledged
        return Oracle(self.life[:done]), Oracle(self.life[: done + 1])

    def begin(self, point: str | None = None, armed_at: int = 0) -> BaseProcess:
        """A process that lives on; it dies when it reaches the point at or after this place of the life."""
        process = SERVER.Process(target=live, args=(self, point, armed_at), daemon=True)
        process.start()
        return process


class NobodyElse:
    """No other system is owed anything."""

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        pass


def live(place: Place, point: str | None, armed_at: int) -> None:
    """Does what has not been acknowledged."""
    configure(json=True, level="error")
    database = Database(DatabaseSettings(url=place.url))
    metrics = CollectorMetrics(CollectorRegistry())
    rules = load_life_rules()
    pipeline = Pipeline(
        DatabasePublisher(Samples(database), metrics, Events(database)),
        MeterMapping(load_definitions()),
        metrics,
        lives=Lives(LifecycleMapping(rules), Witness(rules), Segments(database), metrics),
        owing=NobodyElse(),
    )
    maintenance = Maintenance(database, MAINTENANCE, RETENTION)
    whole = place.life
    with place.journal.open("ab", buffering=0) as journal:
        for number in range(place.acknowledged, len(whole)):
            if point is not None and number >= armed_at:
                os.environ[ARMED] = point
            one = whole[number]
            if isinstance(one, Delivery):
                happened = json.dumps(event_of(one)).encode()
                pipeline.process(
                    [
                        Message(encode_batch(one.samples), "agent", one.at),
                        Message(happened, "notifications", one.at),
                    ]
                )
            else:
                while not maintenance.turn(one.at).is_finished:
                    pass
            journal.write(b"%d\n" % number)
