"""What happened: one event of a service, with what is known of it as typed traits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, overload

from storage.sample import make_id

TraitType = Literal["text", "integer", "float", "datetime"]
TraitValue = str | int | float | datetime


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing known of an event; `value` is of the `type`'s class, a datetime timezone-aware UTC."""

    name: str
    type: TraitType
    value: TraitValue


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Names and types of traits; `kinds_of` makes it once for all events alike, so each is equal only to itself."""

    pairs: tuple[tuple[str, TraitType], ...]


@lru_cache(10_000)
def kinds_of(pairs: tuple[tuple[str, TraitType], ...]) -> Kinds:
    """The kinds with these names and types."""
    return Kinds(pairs)


class Traits(Sequence[Trait]):
    """Traits as their kinds, which many events share, and a value for each: an object per trait only for who looks.

    It equals any tuple or list of the same traits.
    """

    __slots__ = ("kinds", "values")

    def __init__(self, kinds: Kinds, values: tuple[TraitValue, ...]) -> None:
        self.kinds = kinds
        self.values = values

    @classmethod
    def of(cls, traits: Sequence[Trait]) -> "Traits":
        """The same traits in the same order."""
        if isinstance(traits, cls):
            return traits
        kinds = kinds_of(tuple([(trait.name, trait.type) for trait in traits]))
        return cls(kinds, tuple([trait.value for trait in traits]))

    def __iter__(self) -> Iterator[Trait]:
        for (name, kind), value in zip(self.kinds.pairs, self.values, strict=True):
            yield Trait(name, kind, value)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, place: int) -> Trait: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Trait, ...]: ...
    def __getitem__(self, place: int | slice) -> Trait | tuple[Trait, ...]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Traits, tuple, list)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


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
    traits: Sequence[Trait] = ()
    project_id: str | None = None
    user_id: str | None = None
    raw: Mapping[str, object] | None = field(default=None, hash=False)

    @property
    def id(self) -> bytes:
        """16 bytes: an event that is sent twice counts once, whoever else numbers messages alike."""
        return make_id("event", self.publisher_id, self.message_id)
