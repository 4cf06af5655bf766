"""What transformers remember from one sample to the next, in a form that can be stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from storage.sample import INT64_MAX, INT64_MIN, Sample, SampleType, from_microseconds, to_microseconds


class Owner(NamedTuple):
    """A resource: its project ("" is nobody's) and its id."""

    project: str
    resource: str


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """The last reading of a meter; `at` in microseconds since 1970 UTC."""

    volume: int | float
    at: int


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """A sample that waits."""

    meter: str
    type: SampleType
    unit: str
    volume: int | float
    resource_id: str
    project_id: str | None
    at: int
    user_id: str | None
    source: str
    metadata: dict[str, object]
    generation: str | None
    id: bytes | None

    @classmethod
    def of(cls, sample: Sample) -> "Kept":
        """A sample as it is kept."""
        one = sample
        at, metadata = to_microseconds(one.timestamp), dict(one.metadata)
        return cls(
            one.meter, one.type, one.unit, storable(one.volume), one.resource_id, one.project_id,
            at, one.user_id, one.source, metadata, one.generation, one.id,
        )  # fmt: skip

    def sample(self) -> Sample:
        """The sample again."""
        return Sample(
            self.meter, self.type, self.unit, self.volume, self.resource_id, self.project_id,
            from_microseconds(self.at), self.user_id, self.source, self.metadata, self.generation, self.id,
        )  # fmt: skip


class Cycle(msgspec.Struct, array_like=True):
    """The operands of a resource that came since `begun`, microseconds since 1970 UTC, the newest of each meter."""

    begun: int
    operands: dict[str, Kept]


class Aggregate(msgspec.Struct, array_like=True):
    """What samples of one key came to so far, and how many they were."""

    sample: Kept
    count: int


class Aggregation(msgspec.Struct, array_like=True):
    """What an aggregator holds: since when (microseconds since 1970 UTC), of how many samples, by key."""

    begun: int
    seen: int
    aggregates: dict[str, Aggregate]


class Remembered(msgspec.Struct, array_like=True):
    """What is remembered of one resource: last readings by step and meter, and operands by step."""

    readings: dict[str, Reading] = {}
    cycles: dict[str, Cycle] = {}

    @property
    def waits(self) -> int | None:
        """When the oldest cycle that is not over began, microseconds since 1970 UTC."""
        return min((cycle.begun for cycle in self.cycles.values()), default=None)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not self.readings and not self.cycles


class Pile(msgspec.Struct, array_like=True):
    """What waits in a sink whatever the resource, by step."""

    aggregations: dict[str, Aggregation] = {}
    waiting: dict[str, list[Kept]] = {}


class Memory:
    """What one sink remembers, of resources and (`pile`, encoded; b"": nothing) whatever the resource.

    Whatever may be asked for is given at the start; `changed` is what to store again, and the pile if it is no longer
    `pile_before`.
    """

    def __init__(self, remembered: Mapping[Owner, Remembered], pile: bytes = b"") -> None:
        self.remembered = dict(remembered)
        self.pile = msgspec.msgpack.decode(pile, type=Pile) if pile else Pile()
        self.pile_before = msgspec.msgpack.encode(self.pile)
        self.changed: set[Owner] = set()

    def of(self, owner: Owner) -> Remembered:
        """What is remembered of a resource, to be changed."""
        self.changed.add(owner)
        if owner not in self.remembered:
            self.remembered[owner] = Remembered()
        return self.remembered[owner]

    def over(self, step: str, until: int) -> Iterable[tuple[Owner, Cycle]]:
        """The cycles of a step that began before `until`, by owner; they are forgotten."""
        owners = (
            owner
            for owner, one in self.remembered.items()
            if step in one.cycles and one.cycles[step].begun < until
        )
        for owner in sorted(owners):
            yield owner, self.of(owner).cycles.pop(step)


def owners_in(pile: bytes) -> set[Owner]:
    """Whose samples wait in an encoded pile: what is remembered of them is asked for once they go on."""
    held = msgspec.msgpack.decode(pile, type=Pile)
    kept = [one for some in held.waiting.values() for one in some]
    kept += [one.sample for some in held.aggregations.values() for one in some.aggregates.values()]
    return {Owner(one.project_id or "", one.resource_id) for one in kept}


def storable(volume: int | float) -> int | float:
    """The volume; as a float where it is an integer of more than 64 bits."""
    return volume if isinstance(volume, float) or INT64_MIN <= volume <= INT64_MAX else float(volume)


def owner_of(sample: Sample) -> Owner:
    """Whose sample it is."""
    return Owner(sample.project_id or "", sample.resource_id)


def moment(at: int) -> datetime:
    """The moment of microseconds since 1970 UTC."""
    return from_microseconds(at)
