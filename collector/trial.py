"""What would become of messages, of which nothing is stored and nothing counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from collector.interpreting import EventMaker
from collector.mapping import MeterMapping
from collector.message import Message
from collector.metrics import CollectorMetrics
from collector.pipeline import Pipeline
from collector.publishers import Rejected, Taken
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Refused, Sample


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one message would become; all of it empty: nothing names its event type, and such events are dropped."""

    samples: tuple[Sample, ...]
    events: tuple[Event, ...]
    refused: tuple[str, ...]


class Trial:
    """The collector's own pipeline in front of a database that forgets; one thread may use it."""

    def __init__(
        self, mapping: MeterMapping, events: EventMaker, *, telemetry_secret: str | None = None
    ) -> None:
        self._kept = _Forgetful()
        metrics = CollectorMetrics(CollectorRegistry())
        self._pipeline = Pipeline(
            self._kept, mapping, metrics, events=events, telemetry_secret=telemetry_secret
        )

    def outcome(self, message: Message) -> Outcome:
        """What would be stored of a message, and the reasons for what would go to quarantine."""
        self._pipeline.process([message])
        return self._kept.take()


class _Forgetful:
    """Keeps what is published until it is taken."""

    name = "trial"

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._events: list[Event] = []
        self._refused: list[str] = []

    def take(self) -> Outcome:
        taken = Outcome(tuple(self._samples), tuple(self._events), tuple(self._refused))
        self._samples, self._events, self._refused = [], [], []
        return taken

    def publish(self, samples: Sequence[Sample], refused: Sequence[Refused], _received_at: datetime) -> Taken:
        self._samples += samples
        self._refused += (one.reason for one in refused)
        return Taken()

    def publish_events(self, events: Sequence[Event], _received_at: datetime) -> list[Rejected]:
        self._events += events
        return []

    def publish_batch(self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime) -> Taken:
        return self.publish(batch.samples(), refused, received_at)
