"""The shapes of events: Panko's, which were Ceilometer's. Values of traits are always text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel

from api.v2 import times
from storage.event import Event, Trait, TraitType

TYPES: Final[Mapping[TraitType, str]] = {
    "text": "string",
    "integer": "integer",
    "float": "float",
    "datetime": "datetime",
}


class TraitDescription(BaseModel):
    """A trait without a value."""

    name: str
    type: str


class TraitAnswer(TraitDescription):
    """A trait with the text of its value."""

    value: str

    @classmethod
    def of(cls, trait: Trait) -> Self:
        """The shape of a trait."""
        value = times.text(trait.value) if isinstance(trait.value, datetime) else str(trait.value)
        return cls(name=trait.name, type=TYPES[trait.type], value=value)


class EventAnswer(BaseModel):
    """An event; `raw` is empty where the notification was not kept."""

    message_id: str
    event_type: str
    generated: str
    traits: list[TraitAnswer]
    raw: dict[str, Any]  # whatever the service sent

    @classmethod
    def of(cls, event: Event) -> Self:
        """The shape of an event."""
        return cls(
            message_id=event.message_id,
            event_type=event.event_type,
            generated=times.text(event.generated),
            traits=[TraitAnswer.of(trait) for trait in event.traits],
            raw=dict(event.raw or {}),
        )
