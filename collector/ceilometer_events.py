"""Events that Ceilometer made and put on the bus, taken as they are."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from collector.envelope import Notification
from collector.errors import InvalidMessage
from collector.events import fit
from collector.instants import read_instant
from collector.raw import LIMITS
from collector.signature import is_signed
from collector.text import tidy_metadata
from collector.traits import trait_value
from storage.event import Event, Trait, TraitType, TraitValue
from storage.secrets import names_secret

PUBLISHED = "event"

# Source: ceilometer/event/models.py, Trait: 1 text, 2 integer, 3 float, 4 datetime.
_TYPES: Final[Mapping[int, TraitType]] = {1: "text", 2: "integer", 3: "float", 4: "datetime"}


def is_events(event_type: str) -> bool:
    """Whether notifications of this type hold Ceilometer's event messages."""
    return event_type == PUBLISHED


def published(notification: Notification) -> list[object]:
    """The event messages in a notification; raises InvalidMessage when it has no list of them."""
    if not isinstance(notification.payload, list):
        raise InvalidMessage("no list of events")
    return notification.payload


def published_event(
    notification: Notification, secret: str | None, now: datetime, number: int, sent: object
) -> Event:
    """The event of the `number`-th event message, fit to be stored, which must be signed when there is a secret.

    Its publisher is its trait `service`: so it is the same as the one we make of the notification it was made of.
    Secrets are left out, and what it keeps raw is within the limits of `collector.raw`. Raises InvalidMessage.
    """
    if not isinstance(sent, Mapping):
        raise InvalidMessage("an event is not an object")
    if secret and not is_signed(sent, secret):
        raise InvalidMessage("unsigned")
    event_type, message_id, raw = sent.get("event_type"), sent.get("message_id"), sent.get("raw")
    if not isinstance(event_type, str):
        raise InvalidMessage("an event needs an event_type")
    traits = sent.get("traits")
    if not isinstance(traits, list):
        raise InvalidMessage("an event needs a list of traits")
    found = {trait.name: trait for trait in map(_trait, traits) if not names_secret(trait.name)}
    try:
        generated = read_instant(sent.get("generated"))
    except ValueError as error:
        raise InvalidMessage(f"generated: {error}") from error
    event = Event(
        message_id if isinstance(message_id, str) and message_id else f"{notification.message_id}/{number}",
        _text(found, "service") or notification.publisher_id,
        event_type,
        generated,
        tuple(found[name] for name in sorted(found)),
        _text(found, "project_id") or _text(found, "tenant_id"),
        _text(found, "user_id"),
        tidy_metadata(raw, LIMITS) if isinstance(raw, Mapping) and raw else None,
    )
    return fit(event, now)


def _trait(sent: object) -> Trait:
    match sent:
        case [str(name), int(kind), value] if kind in _TYPES:
            return Trait(name, _TYPES[kind], _value(name, _TYPES[kind], value))
    raise InvalidMessage("a trait is not a list of name, type and value")


def _value(name: str, kind: TraitType, value: object) -> TraitValue:
    """The value in the type that is claimed for it."""
    if kind == "text":
        return trait_value("text", value) or ""
    if kind == "datetime":
        try:
            return read_instant(value)
        except ValueError as error:
            raise InvalidMessage(f"trait {name}: {error}") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidMessage(f"trait {name}: not a number")
    if kind == "float":
        return float(value)
    if isinstance(value, float) and not value.is_integer():
        raise InvalidMessage(f"trait {name}: not an integer")
    return int(value)


def _text(traits: Mapping[str, Trait], name: str) -> str | None:
    """The text of a trait, None where there is none."""
    trait = traits.get(name)
    return str(trait.value) or None if trait else None
