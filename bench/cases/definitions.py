"""How much many definitions cost a notification: the services of a whole catalogue against those of a small cloud."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from bench.lab import Lab
from bench.measure import undisturbed
from bench.oracle import check_count
from bench.rows import Row, WrongAnswer, at_most
from collector.definitions import entries_of
from collector.event_definitions import event_rules_of
from collector.event_mapping import EventMapping
from collector.mapping import MeterMapping
from collector.message import Message
from collector.metrics import CollectorMetrics
from collector.pipeline import Pipeline
from collector.publishers import Rejected, Taken
from collector.service_files import read_service_file
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Refused, Sample

FEW, MANY, TYPES = 10, 100, 5  # services, and event types of each
TOGETHER = 250  # messages of a batch

# A service like Cinder: an entry for each of its types, metadata, and traits of them all.
SERVICE = """\
service: {name}
notifications:
{entries}
events:
  - events: [{name}.*]
    project: payload.project_id | payload.tenant_id
    traits:
      resource_id: payload.id
      name: payload.name
      status: payload.status
      size: {{path: payload.size, type: integer}}
      created_at: {{path: payload.created_at, type: datetime}}
"""
ENTRY = """\
  - events: [{event}]
    resource: payload.id
    project: payload.project_id | payload.tenant_id
    user: payload.user_id
    metadata: {{event_type: event_type, name: payload.name, status: payload.status, host: payload.host}}
    meters:
      - {{name: {event}.size, unit: GiB, volume: payload.size}}
      - {{name: {event}.count, unit: volume, volume: 1}}
"""


class Definitions:
    """500 event types against 50, the same messages of 50, from their bytes to samples and events that are settled."""

    name = "definitions"

    def run(self, lab: Lab) -> Iterator[Row]:
        count = lab.scale.notifications // 20
        few, many, spread = _Run(FEW, FEW, count), _Run(MANY, FEW, count), _Run(MANY, MANY, count)
        lab.say("reading notifications by few and many definitions")
        with undisturbed():
            for _ in range(lab.scale.rounds):
                for run in (few, many, spread):
                    run.measure()
        for run in (few, many, spread):
            run.check()
        types = f"{MANY * TYPES} event types against {FEW * TYPES}"
        yield at_most(f"a notification, {types}, processor", many.cost, "µs/message", few.cost, 1.05)
        name = f"a notification, messages of {MANY * TYPES} types, processor"
        yield Row(name, spread.cost, "µs/message", few.cost, spread.cost / few.cost)


class _Counting:
    """Takes everything and keeps the numbers."""

    name = "counting"

    def __init__(self) -> None:
        self.samples = self.events = 0

    def publish_events(self, events: Sequence[Event], _received_at: datetime) -> list[Rejected]:
        self.events += len(events)
        return []

    def publish_batch(
        self, batch: SampleBatch, refused: Sequence[Refused], _received_at: datetime
    ) -> Taken | None:
        check_count("refused notifications", len(refused), 0)
        self.samples += len(batch)
        return Taken()

    def publish(
        self, _samples: Sequence[Sample], _refused: Sequence[Refused], _received_at: datetime
    ) -> Taken:
        raise WrongAnswer("a batch was taken apart: its cost is not what is measured here")


class _Run:
    """A pipeline with the definitions of so many services, and messages of all types of `senders` of them."""

    def __init__(self, services: int, senders: int, count: int) -> None:
        files = [read_service_file(_name(number), _definitions(number)) for number in range(services)]
        self._keeper = _Counting()
        self._pipeline = Pipeline(
            self._keeper,
            MeterMapping([entry for file in files for entry in entries_of(file)]),
            CollectorMetrics(CollectorRegistry()),
            events=EventMapping([rule for file in files for rule in event_rules_of(file)]),
        )
        now = datetime.now(UTC)
        self._messages = [
            Message(_body(senders, number, now), "notifications", now) for number in range(count)
        ]
        self._costs: list[float] = []

    @property
    def cost(self) -> float:
        """Processor µs a message, the least of all rounds: whatever else runs here only ever adds."""
        return min(self._costs)

    def measure(self) -> None:
        """Reads all messages once more."""
        begun = time.process_time()
        for place in range(0, len(self._messages), TOGETHER):
            self._pipeline.process(self._messages[place : place + TOGETHER])
        self._costs.append((time.process_time() - begun) * 1e6 / len(self._messages))

    def check(self) -> None:
        """Raises WrongAnswer unless each message gave two samples and an event each time."""
        count = len(self._costs) * len(self._messages)
        check_count("samples of defined notifications", self._keeper.samples, 2 * count)
        check_count("events of defined notifications", self._keeper.events, count)


def _name(service: int) -> str:
    return f"service{service:03}"


def _event(service: int, kind: int) -> str:
    return f"{_name(service)}.thing{kind}.create.end"


def _definitions(service: int) -> str:
    entries = "".join(ENTRY.format(event=_event(service, kind)) for kind in range(TYPES))
    return SERVICE.format(name=_name(service), entries=entries)


def _body(services: int, number: int, now: datetime) -> bytes:
    """A notification of about 2 kB, of each type in turn."""
    kind = number * 7 % (services * TYPES)
    payload = {
        "id": f"{number % 2000:032x}",
        "project_id": f"{number % 100:032x}",
        "user_id": f"{number % 50:032x}",
        "name": "data",
        "status": "available",
        "host": "node-1",
        "size": 10,
        "created_at": "2026-01-02T03:04:05",
        **{f"detail_{place:02}": f"what nobody asked for {place}" for place in range(30)},
    }
    message = {
        "message_id": f"{number:032x}",
        "publisher_id": "service.node-1",
        "event_type": _event(kind // TYPES, kind % TYPES),
        "priority": "INFO",
        "payload": payload,
        "timestamp": str(now.replace(tzinfo=None) - timedelta(milliseconds=number)),
        "_context_request_id": f"req-{number:032x}",
    }
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()
