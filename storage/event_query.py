"""Questions about events, without a word of SQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.comparison import Comparison
from storage.event import Event, TraitType, TraitValue

SortKey = Literal["generated", "message_id"]


@dataclass(frozen=True, slots=True)
class EventScope:
    """Which events may be seen: all; or those of a project, of one user or with `and_nobodys` those of no project."""

    project_id: str | None = None
    user_id: str | None = None
    and_nobodys: bool = False
    everything: bool = False

    def __post_init__(self) -> None:
        limits = (self.user_id is not None, self.and_nobodys)
        if self.everything:
            if self.project_id is not None or any(limits):
                raise ValueError("a scope of everything has no limits")
        elif not self.project_id or sum(limits) != 1:
            raise ValueError("a scope is a user in a project, or a project and what is nobody's")

    def allows(self, event: Event) -> bool:
        """Whether an event may be seen."""
        if self.everything:
            return True
        if self.user_id is not None:
            return event.project_id == self.project_id and event.user_id == self.user_id
        return event.project_id in (self.project_id, None)


EVERY_EVENT = EventScope(everything=True)


@dataclass(frozen=True, slots=True)
class TraitMatch:
    """A trait of this name and type that must be there, and compare so with a value."""

    name: str
    op: Comparison
    type: TraitType
    value: TraitValue


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are meant; every condition must hold, None means any. Start and end belong to what is meant."""

    scope: EventScope
    event_type: str | None = None
    message_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    traits: tuple[TraitMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What comes first: by time, then by message id, or the other way round; each may descend."""

    first: SortKey = "generated"
    time_descends: bool = False
    id_descends: bool = False
