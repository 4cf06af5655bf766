"""What is on its way into one transaction, and how it gets there."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from collector.draft import Draft
from collector.errors import PublisherUnavailable
from collector.lives import Lives
from collector.message import Message, refusal
from collector.metrics import CollectorMetrics
from collector.publishers import Keeper, Rejected, Taken
from storage.event import Event
from storage.fact import Fact
from storage.faults import reach
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch, join
from storage.ingest.too_old import older
from storage.sample import Refused, Sample

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(slots=True)
class _Single:
    """Samples that came one by one, each with what to quarantine should the database refuse it."""

    samples: list[Sample] = field(default_factory=list)
    sources: list[tuple[Message, Draft | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Samples that came as columns, and the first message they came in."""

    batch: SampleBatch
    message: Message


class Pending:
    """Samples of both kinds in the order they came, events, facts, and what was refused of the same messages.

    `is_witness`: the samples come from agents and services, which see what they measure. Whoever posts samples may
    claim anything.
    """

    def __init__(self, received_at: datetime, *, is_witness: bool = False) -> None:
        self.received_at = received_at
        self.is_witness = is_witness
        self.events: list[Event] = []
        self.facts: list[Fact] = []
        self.refused: list[Refused] = []
        self._event_sources: list[Message] = []
        self._parts: list[_Single | _Columns] = []
        self._samples = 0

    def __len__(self) -> int:
        """How many samples, events, facts and refusals wait."""
        return self._samples + len(self.events) + len(self.facts) + len(self.refused)

    def add(self, sample: Sample, message: Message, draft: Draft | None) -> None:
        """Take in one sample; without a draft it is its message that goes to quarantine if need be."""
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Single):
            last = _Single()
            self._parts.append(last)
        last.samples.append(sample)
        last.sources.append((message, draft))
        self._samples += 1

    def add_columns(self, batch: SampleBatch, message: Message) -> None:
        """Take in samples as columns; `message` is the first they came in."""
        self._parts.append(_Columns(batch, message))
        self._samples += len(batch)

    def add_event(self, event: Event, message: Message) -> None:
        """Take in one event; it is its message that goes to quarantine if need be."""
        self.events.append(event)
        self._event_sources.append(message)

    def refuse_events(self, rejected: Sequence[Rejected]) -> None:
        """Events that the database refuses are refused, and no longer among the others."""
        bad = {one.index: one.reason for one in rejected}
        self.refused += [refusal(self._event_sources[place], reason) for place, reason in bad.items()]
        kept = [place for place in range(len(self.events)) if place not in bad]
        self._event_sources = [self._event_sources[place] for place in kept]
        self.events = [self.events[place] for place in kept]

    def clear(self) -> None:
        """Forget everything: it is kept now."""
        self._parts, self.refused, self._samples = [], [], 0
        self.events, self._event_sources, self.facts = [], [], []

    def batch(self) -> SampleBatch:
        """All samples as columns."""
        parts = [part.batch if isinstance(part, _Columns) else arrange(part.samples) for part in self._parts]
        return join(parts) if parts else arrange(())

    def samples(self) -> list[Sample]:
        """All samples, each an object."""
        return [
            sample
            for part in self._parts
            for sample in (part.batch.samples() if isinstance(part, _Columns) else part.samples)
        ]

    def refusal(self, rejected: Rejected, sample: Sample) -> Refused:
        """What to quarantine of a sample that the database refused."""
        place = rejected.index
        for part in self._parts:
            count = len(part.batch) if isinstance(part, _Columns) else len(part.samples)
            if place < count:
                break
            place -= count
        if isinstance(part, _Columns):
            return refusal(part.message, rejected.reason, as_draft(sample))
        message, draft = part.sources[place]
        return refusal(message, rejected.reason, draft)


class Owing(Protocol):
    """Keeps for other systems what was stored; `collector.outlets.Outlets` does."""

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Returns when all of it is in their queues; raises PublisherUnavailable, and then nothing is."""
        ...


class Publishing:
    """Hands batches to the keeper, the database, which decides whether they are safe, then to the queues of others."""

    def __init__(
        self,
        keeper: Keeper,
        metrics: CollectorMetrics,
        *,
        lives: Lives | None = None,
        owing: Owing | None = None,
    ) -> None:
        self._keeper, self._metrics, self._lives, self._owing = keeper, metrics, lives, owing

    def publish(self, pending: Pending) -> Sequence[Refused]:
        """Publish all of it; returns what the keeper quarantined as too old, which is not among what is pending.

        Events come first, in a transaction of their own, then facts in another: whoever is killed between them begins
        again with all, and each counts once. Raises PublisherUnavailable when the database is away.
        """
        if not len(pending):
            return ()
        self._publish_events(pending)
        batch = pending.batch()
        if self._lives is not None:
            self._lives.keep(pending.facts, batch if pending.is_witness else None)
            reach("facts.committed")
        keep = self._keeper.publish_batch
        whole = self._timed(lambda: keep(batch, pending.refused, pending.received_at))
        taken = self._publish_one_by_one(pending) if whole is None else whole
        reach("ingest.committed")
        for refused in pending.refused:
            self._metrics.refused.labels(refused.origin).inc()
        if self._owing is not None:
            # Killed before this, the messages come again and count once; killed after it, others get them twice.
            self._owing.keep(_kept(batch, pending, taken), pending.events)
            reach("outgoing.committed")
        return taken.too_old

    def _publish_events(self, pending: Pending) -> None:
        if not pending.events:
            return
        publish = self._keeper.publish_events
        rejected = self._timed(lambda: publish(pending.events, pending.received_at))
        if rejected:
            pending.refuse_events(rejected)
        reach("events.committed")

    def _publish_one_by_one(self, pending: Pending) -> Taken:
        """Publish what the database may take of it, and quarantine the rest."""
        samples, publish = pending.samples(), self._keeper.publish
        taken = self._timed(lambda: publish(samples, pending.refused, pending.received_at))
        refused = [pending.refusal(one, samples[one.index]) for one in taken.rejected]
        if refused:
            self._timed(lambda: publish([], refused, pending.received_at))
            pending.refused.extend(refused)
        return taken

    def _timed(self, publish: Callable[[], T]) -> T:
        started, name = time.monotonic(), self._keeper.name
        try:
            return publish()
        except PublisherUnavailable:
            self._metrics.publish_failures.labels(name).inc()
            raise
        except Exception as error:
            self._metrics.publish_failures.labels(name).inc()
            log.exception("publisher_failed", publisher=name)
            raise PublisherUnavailable(f"{name} failed: {error!r}") from error
        finally:
            self._metrics.publish_seconds.labels(name).observe(time.monotonic() - started)


def _kept(batch: SampleBatch, pending: Pending, taken: Taken) -> SampleBatch:
    """What others may be given of a batch: nothing that went to quarantine."""
    if taken.rejected:
        rejected = {one.index for one in taken.rejected}
        batch = arrange([one for place, one in enumerate(pending.samples()) if place not in rejected])
    return batch if taken.kept_from is None else older(batch, taken.kept_from)[0]


def as_draft(sample: Sample) -> Draft:
    """What a sample claims."""
    return Draft(**{entry.name: getattr(sample, entry.name) for entry in dataclasses.fields(sample)})
