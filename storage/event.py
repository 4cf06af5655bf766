"""What happened: one event of a service, with what is known of it as typed traits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from storage.sample import make_id

TraitType = Literal["text", "integer", "float", "datetime"]
TraitValue = str | int | float | datetime


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing known of an event; `value` is of the `type`'s class, a datetime timezone-aware UTC."""

    name: str
    type: TraitType
    value: TraitValue


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `generated`, timezone-aware UTC.

    `message_id` is the sender's. `project_id` says who may see it (None: nobody but administrators), `user_id` who did
    it. `traits` has each name once, sorted by name. `raw` is the notification, where that is kept (`collector.raw`).
    """

    message_id: str
    publisher_id: str
    event_type: str
    generated: datetime
    traits: tuple[Trait, ...] = ()
    project_id: str | None = None
    user_id: str | None = None
    raw: Mapping[str, object] | None = field(default=None, hash=False)

    @property
    def id(self) -> bytes:
        """16 bytes: an event that is sent twice counts once, whoever else numbers messages alike."""
        return make_id("event", self.publisher_id, self.message_id)
