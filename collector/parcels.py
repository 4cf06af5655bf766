"""Samples and events as bytes that wait in a queue, and back; nothing of them is lost on the way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector import frame
from collector.draft import as_sample
from collector.errors import InvalidMessage
from collector.listed import encode_json, parse_json
from collector.parcel_frame import decode_batch, encode_batch
from storage.event import Event, Trait
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES, SampleBatch, cut, pieces
from storage.outgoing import Kind, Owed
from storage.sample import Sample, from_microseconds, to_microseconds

PIECES = 2_000
LIMIT_BYTES = 2**20  # of one batch, unless a single sample or event is larger


def owed_samples(outlet: str, samples: SampleBatch) -> Iterator[Owed]:
    """The batches of these samples, in order; each has a row of its own."""
    for piece in pieces(samples, PIECES) if len(samples) else ():
        yield from _samples(outlet, piece)


def owed_events(outlet: str, events: Sequence[Event]) -> Iterator[Owed]:
    """The same of events."""
    for start in range(0, len(events), PIECES):
        yield from _events(outlet, events[start : start + PIECES])


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch opened: its samples or its events, one by one."""

    samples: Sequence[Sample]
    events: Sequence[Event]

    def __len__(self) -> int:
        return len(self.samples) + len(self.events)

    def given(self, places: Sequence[int]) -> tuple[SampleBatch, Sequence[Event]]:
        """Some of them, as publishers are given them."""
        if self.events:
            return NO_SAMPLES, [self.events[place] for place in places]
        return arrange([self.samples[place] for place in places]), ()

    def body(self, places: Sequence[int]) -> bytes:
        """Some of them as a batch; at least one."""
        samples, events = self.given(places)
        return encode_events(events) if self.events else encode_batch(samples)


def opened(kind: Kind, body: bytes) -> Parcel:
    """What a batch holds; raises InvalidMessage when the bytes were damaged."""
    try:
        return Parcel(samples_of(body).samples(), ()) if kind == "samples" else Parcel((), events_of(body))
    except ValueError as error:  # metadata that are no JSON
        raise InvalidMessage(f"a damaged batch: {error}") from error


def samples_of(body: bytes) -> SampleBatch:
    """The samples of a batch; raises InvalidMessage when the bytes were damaged."""
    found = decode_batch(frame.take_apart(body))
    return arrange(map(as_sample, frame.drafts(body))) if found is None else found


def encode_events(events: Sequence[Event]) -> bytes:
    """A list of events, datetimes as [microseconds]."""
    return encode_json([_listed(event) for event in events])


def events_of(body: bytes) -> list[Event]:
    """The events of a batch; raises InvalidMessage when the bytes were damaged."""
    listed = parse_json(body)
    if not isinstance(listed, list):
        raise InvalidMessage("a batch of events that is no list")
    return [_event(row) for row in listed]


def _samples(outlet: str, samples: SampleBatch) -> Iterator[Owed]:
    body, middle = encode_batch(samples), len(samples) // 2
    halves = list(cut(samples, middle)) if len(body) > LIMIT_BYTES and middle else []
    if len(halves) < 2:
        yield Owed(outlet, "samples", len(samples), body)
        return
    for half in halves:
        yield from _samples(outlet, half)


def _events(outlet: str, events: Sequence[Event]) -> Iterator[Owed]:
    body, middle = encode_events(events), len(events) // 2
    if len(body) <= LIMIT_BYTES or not middle:
        yield Owed(outlet, "events", len(events), body)
        return
    yield from _events(outlet, events[:middle])
    yield from _events(outlet, events[middle:])


def _listed(event: Event) -> list[object]:
    return [
        event.message_id,
        event.publisher_id,
        event.event_type,
        to_microseconds(event.generated),
        event.project_id,
        event.user_id,
        [[trait.name, trait.type, _written(trait)] for trait in event.traits],
        None if event.raw is None else dict(event.raw),
    ]


def _event(row: object) -> Event:
    match row:
        case [
            str(message_id),
            str(publisher_id),
            str(event_type),
            int(generated),
            str() | None as project_id,
            str() | None as user_id,
            list(traits),
            dict() | None as raw,
        ]:
            return Event(
                message_id,
                publisher_id,
                event_type,
                from_microseconds(generated),
                tuple(_trait(trait) for trait in traits),
                project_id,
                user_id,
                raw,
            )
    raise InvalidMessage("an event of the wrong form")


def _written(trait: Trait) -> object:
    # Any number that is a float stays one: JSON of 1.0 is read as a float again.
    return to_microseconds(trait.value) if not isinstance(trait.value, str | int | float) else trait.value


def _trait(row: object) -> Trait:
    match row:
        case [str(name), "datetime", int(value)]:
            return Trait(name, "datetime", from_microseconds(value))
        case [str(name), "text" | "integer" | "float" as kind, str() | int() | float() as value]:
            return Trait(name, kind, value)
    raise InvalidMessage("a trait of the wrong form")
