"""Messages, drafts and stand-ins for the collector's tests."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from collector.definitions import load_definitions
from collector.draft import Draft
from collector.envelope import encode_batch
from collector.errors import PublisherUnavailable
from collector.interpreting import EventMaker
from collector.listed import encode_json, lists_of
from collector.mapping import MeterMapping
from collector.metrics import CollectorMetrics
from collector.pipeline import Message, Origin, Pipeline
from collector.publishers import Rejected, Taken
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Refused, Sample

NOW = datetime(2024, 11, 23, 12, 0, tzinfo=UTC)
MAPPING = MeterMapping(load_definitions())
DRAFT = Draft("cpu", "cumulative", "ns", 5, "vm-1", "project-1", NOW, metadata={"name": "web"})
SAMPLE = Sample("disk.usage", "gauge", "B", 7, "vm-1", "project-1", NOW)


class StubPublisher:
    """Keeps what it is given; away while `away`, and refuses samples and events named in `poisonous`."""

    name = "stub"

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.refused: list[Refused] = []
        self.away = False
        self.attempts = 0
        self.poisonous: frozenset[str] = frozenset()

    def publish_events(self, events: Sequence[Event], received_at: datetime) -> list[Rejected]:
        if self.away:
            raise PublisherUnavailable("the database is away")
        self.events += [event for event in events if event.event_type not in self.poisonous]
        return [Rejected(i, "poison") for i, event in enumerate(events) if event.event_type in self.poisonous]

    def publish_batch(
        self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime
    ) -> Taken | None:
        samples = batch.samples()
        if any(sample.meter in self.poisonous for sample in samples):
            return None
        return self.publish(samples, refused, received_at)

    def publish(self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime) -> Taken:
        self.attempts += 1
        if self.away:
            raise PublisherUnavailable("the database is away")
        self.samples += [sample for sample in samples if sample.meter not in self.poisonous]
        self.refused += refused
        bad = [place for place, sample in enumerate(samples) if sample.meter in self.poisonous]
        return Taken([Rejected(place, "poison") for place in bad])


def metrics() -> CollectorMetrics:
    return CollectorMetrics(CollectorRegistry())


def pipeline(
    publisher: StubPublisher,
    *,
    mapping: MeterMapping = MAPPING,
    telemetry_secret: str | None = None,
    batch_size: int = 10_000,
    events: EventMaker | None = None,
) -> Pipeline:
    return Pipeline(
        publisher,
        mapping,
        metrics(),
        events=events,
        batch_size=batch_size,
        telemetry_secret=telemetry_secret,
    )


def message(body: bytes | object, origin: Origin = "notifications", received_at: datetime = NOW) -> Message:
    """A message of these bytes, or of the JSON of this value."""
    return Message(body if isinstance(body, bytes) else json.dumps(body).encode(), origin, received_at)


def notification(**fields: object) -> dict[str, object]:
    """A notification of an existing volume of 10 GiB, with these fields in place of its own."""
    return {
        "message_id": "5f1e0b1c-5df3-4b5f-9c5b-7f3b0c0a1d11",
        "publisher_id": "volume.node-1",
        "event_type": "volume.exists",
        "priority": "INFO",
        "payload": {"volume_id": "volume-1", "tenant_id": "project-1", "user_id": "user-1", "size": 10},
        "timestamp": "2024-11-23 11:59:00.000001",
        **fields,
    }


def payload(**fields: object) -> dict[str, object]:
    """The payload of `notification`, with these fields in place of its own."""
    return {"volume_id": "volume-1", "tenant_id": "project-1", "user_id": "user-1", "size": 10, **fields}


def polled(**fields: object) -> dict[str, object]:
    """A sample as Ceilometer's agents write it, with these fields in place of its own."""
    return {
        "source": "openstack",
        "counter_name": "disk.device.usage",
        "counter_type": "gauge",
        "counter_unit": "B",
        "counter_volume": 1024,
        "user_id": "user-1",
        "project_id": "project-1",
        "resource_id": "vm-1-vda",
        "timestamp": "2024-11-23T11:59:00.000001",
        "resource_metadata": {"name": "web"},
        "message_id": "0c2f4a3e-1111-11f1-8000-000000000001",
        "monotonic_time": 12.5,
        **fields,
    }


def polling(*samples: object) -> dict[str, object]:
    """A notification of Ceilometer's polling agent with these samples."""
    return notification(
        publisher_id="ceilometer.polling",
        event_type="telemetry.polling",
        priority="SAMPLE",
        payload={"samples": list(samples)},
    )


def published(**fields: object) -> dict[str, object]:
    """An event as Ceilometer publishes it, with these fields in place of its own."""
    return {
        "message_id": "7b0c1c2e-5df3-4b5f-9c5b-7f3b0c0a1d11",
        "event_type": "compute.instance.create.end",
        "generated": "2024-11-23T11:59:00.000001",
        "traits": [
            ["service", 1, "compute.node-1"],
            ["project_id", 1, "project-1"],
            ["user_id", 1, "user-1"],
            ["memory_mb", 2, 512],
            ["load", 3, 0.5],
            ["launched_at", 4, "2024-11-23T11:58:00"],
        ],
        "raw": {},
        **fields,
    }


def publishing(*events: object) -> dict[str, object]:
    """A notification of Ceilometer's event pipeline with these events."""
    return notification(
        publisher_id="telemetry.publisher.node-1", event_type="event", priority="SAMPLE", payload=list(events)
    )


def batch(*samples: Sample) -> Message:
    """An agent's batch of these samples."""
    return Message(encode_batch(samples), "agent", NOW)


def first_version(*samples: Sample) -> bytes:
    """A batch of these samples as agents wrote it before version 2."""
    return encode_json(["nephometer.samples", 1, *lists_of(samples)])


def good(number: int) -> Sample:
    """One of many samples that differ."""
    return replace(SAMPLE, resource_id=f"vm-{number}", volume=number)
