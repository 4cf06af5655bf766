"""One notification and what became of it, as text and as JSON."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cli.output import printable
from collector.bus import Overheard
from collector.envelope import Notification, decode_notification
from collector.errors import InvalidMessage
from collector.raw import raw_of
from collector.trial import Outcome
from storage.event import Event
from storage.sample import Sample

HEAD_BYTES = 4096  # of a body that cannot be read, with --raw


@dataclass(frozen=True, slots=True)
class Heard:
    """A notification, None where its body cannot be read, and what became of it."""

    overheard: Overheard
    received_at: datetime
    notification: Notification | None
    outcome: Outcome

    @property
    def event_type(self) -> str:
        """Empty where it cannot be read."""
        return self.notification.event_type if self.notification else ""


def read(body: bytes) -> Notification | None:
    """The notification in a body, None where there is none."""
    try:
        return decode_notification(body)
    except InvalidMessage:
        return None


def as_text(heard: Heard, *, raw: bool) -> str:
    """Lines for people: a line about the notification, an indented one for each thing it became."""
    lines = [_headline(heard), *(f"    {line}" for line in _became(heard.outcome))]
    if raw:
        lines.append(f"    {msgspec.json.encode(_raw(heard)).decode()}")
    return "\n".join(printable(line) for line in lines)


def as_json(heard: Heard, *, raw: bool) -> str:
    """One JSON object on one line."""
    sent, notification = heard.overheard, heard.notification
    fields: dict[str, object] = {
        "received_at": heard.received_at,
        "broker": sent.broker,
        "exchange": sent.exchange,
        "routing_key": sent.routing_key,
        "event_type": notification.event_type if notification else None,
        "publisher_id": notification.publisher_id if notification else None,
        "message_id": notification.message_id if notification else None,
        "samples": [_fields(sample) for sample in heard.outcome.samples],
        "events": [_event(event) for event in heard.outcome.events],
        "refused": heard.outcome.refused,
    }
    if raw:
        fields["raw"] = _raw(heard)
    return msgspec.json.encode(fields, enc_hook=str).decode()


def _headline(heard: Heard) -> str:
    sent, notification = heard.overheard, heard.notification
    what = f"{notification.event_type} of {notification.publisher_id}" if notification else "unreadable"
    return f"{heard.received_at:%H:%M:%S} {what} ({sent.exchange}, {sent.routing_key})"


def _became(outcome: Outcome) -> Iterator[str]:
    for sample in outcome.samples:
        yield (
            f"sample {sample.meter} = {_number(sample.volume)} {sample.unit} ({sample.type}) "
            f"of {sample.resource_id}, project {sample.project_id or '-'}"
        )
    for event in outcome.events:
        traits = ", ".join(f"{trait.name}={_word(trait.value)}" for trait in event.traits)
        yield f"event {event.event_type}: {traits}"
    for reason in outcome.refused:
        yield f"refused: {reason}"
    if not (outcome.samples or outcome.refused):
        yield "no sample: no definition names it" if outcome.events else "nothing: no definition names it"


def _number(volume: int | float) -> str:
    return f"{volume:.15g}" if isinstance(volume, float) else str(volume)


def _word(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _fields(sample: Sample) -> Mapping[str, object]:
    fields = {entry.name: getattr(sample, entry.name) for entry in dataclasses.fields(sample)}
    return {**fields, "id": sample.id.hex() if sample.id else None}


def _event(event: Event) -> Mapping[str, object]:
    traits: Sequence[object] = [
        {"name": trait.name, "type": trait.type, "value": trait.value} for trait in event.traits
    ]
    return {
        "event_type": event.event_type,
        "generated": event.generated,
        "project_id": event.project_id,
        "user_id": event.user_id,
        "traits": traits,
    }


def _raw(heard: Heard) -> object:
    """What was sent, less its secrets; of what cannot be read the beginning."""
    if heard.notification is None:
        return heard.overheard.body[:HEAD_BYTES].decode("utf-8", "backslashreplace")
    return raw_of(heard.notification)
