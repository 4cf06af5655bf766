"""The border where events that others made are settled: time, texts and values are fit for every database."""

import math
from dataclasses import replace
from datetime import datetime

from collector.errors import InvalidMessage
from collector.instants import EARLIEST, LATEST
from collector.normalize import FUTURE_LIMIT, IDENTIFIER_LIMIT
from collector.text import clean
from storage.event import Event, Trait
from storage.sample import INT64_MAX, INT64_MIN

TEXT_LIMIT = 255  # characters of a trait, as in Ceilometer
TRAIT_LIMIT = 1000  # of one event


def fit(event: Event, now: datetime) -> Event:
    """The event as it is kept: texts are clean and not too long, traits in order.

    Raises InvalidMessage for what can not be kept.
    """
    _check_time(event.generated, now)
    if len(event.traits) > TRAIT_LIMIT:
        raise InvalidMessage(f"more than {TRAIT_LIMIT} traits")
    traits = {trait.name: trait for trait in map(_trait, event.traits)}
    return replace(
        event,
        message_id=_identifier(event.message_id, "message_id"),
        publisher_id=_text(event.publisher_id),
        event_type=_identifier(event.event_type, "event_type"),
        traits=tuple(traits[name] for name in sorted(traits)),
        project_id=_optional(event.project_id, "project"),
        user_id=_optional(event.user_id, "user"),
    )


def _check_time(moment: datetime, now: datetime) -> None:
    if not EARLIEST <= moment < LATEST:
        raise InvalidMessage("a time before 1970 or after 2200")
    if moment - now > FUTURE_LIMIT:
        raise InvalidMessage("a time more than 5 minutes in the future")


def _trait(trait: Trait) -> Trait:
    value, name = trait.value, _identifier(trait.name, "the name of a trait")
    if isinstance(value, str):
        value = _text(value)
    elif isinstance(value, datetime):
        if not EARLIEST <= value < LATEST:
            raise InvalidMessage(f"trait {name}: a time before 1970 or after 2200")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidMessage(f"trait {name}: not finite")
    elif not INT64_MIN <= value <= INT64_MAX:
        raise InvalidMessage(f"trait {name}: beyond 64 bits")
    return trait if value is trait.value and name is trait.name else replace(trait, name=name, value=value)


def _text(text: str) -> str:
    return clean(text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT])


def _identifier(text: str, name: str) -> str:
    if not text or len(text) > IDENTIFIER_LIMIT:
        raise InvalidMessage(f"{name} is empty or longer than {IDENTIFIER_LIMIT} characters")
    return clean(text)


def _optional(text: str | None, name: str) -> str | None:
    return _identifier(text, name) if text else None
