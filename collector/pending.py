"""What is on its way into one transaction."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from collector.draft import Draft, as_draft
from collector.errors import InvalidMessage, PublisherUnavailable
from collector.message import Message, refusal
from collector.publishers import Rejected
from storage.event import Event
from storage.fact import Fact
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch, join
from storage.ingest.together import Together, arrange_together
from storage.sample import Refused, Sample

log = structlog.get_logger()

A = TypeVar("A")
B = TypeVar("B")

Source = tuple[Message, Draft | None]


class Pending:
    """Samples of all kinds in the order they came, events, facts, and what was refused of the same messages.

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
        self._parts: list[_Part] = []
        self._samples = 0

    def __len__(self) -> int:
        """How many samples, events, facts and refusals wait."""
        return self._samples + len(self.events) + len(self.facts) + len(self.refused)

    def each(
        self, some: Iterable[tuple[Message, A]], do: Callable[[Message, A], B]
    ) -> list[tuple[Message, B]]:
        """What `do` makes of each; a message on which it fails is refused whole and holds up no other.

        Raises PublisherUnavailable, which is no message's fault.
        """
        made: list[tuple[Message, B]] = []
        for message, it in some:
            try:
                made.append((message, do(message, it)))
            except InvalidMessage as error:
                self.refused.append(refusal(message, str(error)))
            except PublisherUnavailable:
                raise
            except Exception as error:
                log.exception("message_not_understood", origin=message.origin)
                self.refused.append(refusal(message, f"the program failed on it: {error!r}"))
        return made

    def add(self, sample: Sample, message: Message, draft: Draft | None) -> None:
        """Take in one sample; without a draft it is its message that goes to quarantine if need be."""
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Single):
            last = _Single()
            self._parts.append(last)
        last.add(sample, (message, draft))
        self._samples += 1

    def add_together(self, found: Together, message: Message) -> None:
        """Take in samples of one resource; it is their message that goes to quarantine if need be."""
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Told):
            last = _Told()
            self._parts.append(last)
        last.add(found, message)
        self._samples += found.count

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
        return join([part.batch() for part in self._parts]) if self._parts else arrange(())

    def samples(self) -> list[Sample]:
        """All samples, each an object."""
        return [sample for part in self._parts for sample in part.samples()]

    def refusal(self, rejected: Rejected, sample: Sample) -> Refused:
        """What to quarantine of the sample at a place in `samples` that the database refused."""
        place = rejected.index
        for part in self._parts:
            if place < len(part):
                break
            place -= len(part)
        message, draft = part.source(place, sample)
        return refusal(message, rejected.reason, draft)


class _Part(Protocol):
    """Samples that came in one way, one after another."""

    def __len__(self) -> int: ...

    def batch(self) -> SampleBatch:
        """As columns."""
        ...

    def samples(self) -> Sequence[Sample]:
        """Each an object."""
        ...

    def source(self, place: int, sample: Sample) -> Source:
        """What to quarantine of the sample at this place: a message, or what the sample claims."""
        ...


class _Single:
    """Samples that came one by one."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._sources: list[Source] = []

    def add(self, sample: Sample, source: Source) -> None:
        self._samples.append(sample)
        self._sources.append(source)

    def __len__(self) -> int:
        return len(self._samples)

    def batch(self) -> SampleBatch:
        return arrange(self._samples)

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def source(self, place: int, _sample: Sample) -> Source:
        return self._sources[place]


class _Told:
    """Samples that came together, resource by resource."""

    def __init__(self) -> None:
        self._found: list[Together] = []
        self._messages: list[Message] = []
        self._count = 0

    def add(self, found: Together, message: Message) -> None:
        self._found.append(found)
        self._messages.append(message)
        self._count += found.count

    def __len__(self) -> int:
        return self._count

    def batch(self) -> SampleBatch:
        return arrange_together(self._found)

    def samples(self) -> Sequence[Sample]:
        return self.batch().samples()

    def source(self, place: int, _sample: Sample) -> Source:
        told = list(zip(self._found, self._messages, strict=True))
        polled = [message for found, message in told for _ in found.polled]
        return [*polled, *(message for found, message in told for _ in found.deltas)][place], None


class _Columns:
    """Samples that came as columns, and the first message they came in."""

    def __init__(self, batch: SampleBatch, message: Message) -> None:
        self._batch, self._message = batch, message

    def __len__(self) -> int:
        return len(self._batch)

    def batch(self) -> SampleBatch:
        return self._batch

    def samples(self) -> Sequence[Sample]:
        return self._batch.samples()

    def source(self, _place: int, sample: Sample) -> Source:
        return self._message, as_draft(sample)
