"""A store, an archive, definitions of two kinds, and the command that replays."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector.definitions import load_definitions
from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.lives import Lives
from collector.mapping import MeterMapping
from collector.pipeline import Message, Pipeline
from collector.publishers.database import DatabasePublisher
from collector.sightings import Witness
from storage.database import Database
from storage.events import Events
from storage.query import EVERYTHING, SampleQuery
from storage.samples import Samples
from storage.segments import Segments
from storage.settings import DatabaseSettings
from tests.cli.conftest import Ended, Nephometer
from tests.collector.factories import metrics

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = NOW - timedelta(hours=3)

WRONG = """
service: mine
notifications:
  - events: [thing.exists]
    resource: payload.id
    project: payload.owner
    meters:
      - {name: thing.size, unit: GiB, volume: payload.bytes}
      - {name: thing.parts, unit: part, volume: payload.parts}
lifecycle:
  - kind: thing
    says: [thing.exists]
    resource: payload.id
    project: payload.owner
    type: payload.colour
"""
RIGHT = WRONG.replace("payload.bytes}", "payload.size}").replace("payload.colour", "payload.type")


def bodies(count: int = 4, event_type: str = "thing.exists") -> list[bytes]:
    """Notifications of things a minute apart."""
    return [
        json.dumps(
            {
                "message_id": f"{event_type}-{number}",
                "publisher_id": "svc.host",
                "event_type": event_type,
                "priority": "INFO",
                "payload": {
                    "id": f"thing-{number}", "owner": "project-a", "size": 10, "bytes": 7, "parts": 2,
                    "type": "big", "colour": "red",
                },
                "timestamp": str(FIRST.replace(tzinfo=None) + timedelta(minutes=number)),
            }
        ).encode()
        for number in range(count)
    ]  # fmt: skip


class Place:
    """A store, an archive, definitions of two kinds, and the command."""

    def __init__(self, url: str, folder: Path, nephometer: Nephometer) -> None:
        self.database = Database(DatabaseSettings(url=url))
        self._nephometer = nephometer
        self.folder = folder
        for name, text in (("wrong", WRONG), ("right", RIGHT)):
            (folder / name).mkdir()
            (folder / name / "mine.yaml").write_text(text)

    def collect(self, sent: Sequence[bytes], definitions: str = "wrong") -> None:
        """What a collector with these definitions stores."""
        folder = self.folder / definitions
        rules = load_life_rules(folder)
        lives = Lives(LifecycleMapping(rules), Witness(rules), Segments(self.database), metrics())
        Pipeline(
            DatabasePublisher(Samples(self.database), metrics(), Events(self.database)),
            MeterMapping(load_definitions(folder)),
            metrics(),
            events=EventMapping(load_event_rules(folder), store_raw=frozenset({"info"})),
            lives=lives,
        ).process([Message(body, "notifications", NOW) for body in sent])

    def archive(self, sent: Sequence[bytes], name: str = "archive.jsonl") -> Path:
        path = self.folder / name
        text = b"\n".join(sent) + b"\n"
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    def replay(
        self, source: object, *arguments: str, definitions: str = "right", before: str = "wrong"
    ) -> Ended:
        folders = ("--definitions", str(self.folder / definitions), "--before", str(self.folder / before))
        return self._nephometer("replay", "--from", str(source), *folders, *arguments)

    def counts(self, ended: Ended) -> dict[str, tuple[int, int, int, int]]:
        """New, changed, same and gone of each meter."""
        found = json.loads(ended.out)["samples"]
        return {row["name"]: tuple(row[key] for key in ("new", "changed", "same", "gone")) for row in found}

    def volumes(self, meter: str) -> list[tuple[str, float]]:
        found = Samples(self.database).find(SampleQuery(EVERYTHING, meter=meter), 100)
        return sorted((one.sample.resource_id, one.sample.volume) for one in found)
