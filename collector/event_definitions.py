"""Which traits the events of some types have, read from the list `events` of definition files.

docs/reference/notifications.md tells how to write one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path as FilePath

import msgspec

from collector.event_types import Names, Pattern, check_event_types
from collector.expressions import Expression
from collector.secrets import path_names_secret
from collector.service_files import ServiceFile, service_files
from collector.values import Value, path_of, paths_in, read_value
from storage.event import TraitType
from storage.secrets import names_secret

NAME_LIMIT = 255  # characters


class Rank(IntEnum):
    """Whose word counts when several rules give one trait: the higher one's."""

    PACKAGED = 0
    CEILOMETER = 1
    OWN = 2


@dataclass(frozen=True, slots=True)
class TraitRule:
    """Where the value of one trait stands and what it is converted to."""

    name: str
    type: TraitType
    value: Expression


@dataclass(frozen=True, slots=True)
class EventRule:
    """What is known of the events of some types; several rules for one type add up, the more exact one first.

    `project` and `user` come before those every notification may name. After a rule that `replaces` none of a lower
    rank, or later in order, counts.
    """

    events: Names | Pattern
    project: Expression | None
    user: Expression | None
    traits: tuple[TraitRule, ...]
    rank: Rank = Rank.PACKAGED
    replaces: bool = False


def load_event_rules(folder: FilePath | None = None) -> list[EventRule]:
    """The rules in `events` of the packaged files, then those of `folder`, in the order of `service_files`.

    Raises InvalidDefinition naming file, entry and key.
    """
    return [rule for file in service_files(folder) for rule in event_rules_of(file)]


def event_rules_of(file: ServiceFile) -> Iterator[EventRule]:
    """The rules of `events`; raises InvalidDefinition naming file, entry and key."""
    rank = Rank.OWN if file.is_own else Rank.PACKAGED
    return file.read("events", file.events, _Rule, lambda written: _rule(written, rank))


class _Trait(Value, forbid_unknown_fields=True):
    type: TraitType = "text"


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    events: list[str]
    traits: dict[str, str | _Trait] = {}
    excluded: frozenset[str] = frozenset()
    project: str | None = None
    user: str | None = None


def _rule(written: _Rule, rank: Rank) -> EventRule:
    check_event_types(written.events)
    check_event_types(written.excluded)
    return EventRule(
        events=Names(frozenset(written.events), written.excluded),
        project=path_of(written.project),
        user=path_of(written.user),
        traits=tuple(_traits(written.traits)),
        rank=rank,
    )


def _traits(written: Mapping[str, str | _Trait]) -> Iterator[TraitRule]:
    for name, value in written.items():
        if not 0 < len(name) <= NAME_LIMIT:
            raise ValueError(f"trait {name!r}: a name has 1 to {NAME_LIMIT} characters")
        if names_secret(name) or any(map(path_names_secret, paths_in(value))):
            raise ValueError(f"trait {name!r} names a secret, which is never kept")
        try:
            yield TraitRule(name, value.type if isinstance(value, _Trait) else "text", read_value(value))
        except ValueError as error:
            raise ValueError(f"trait {name!r}: {error}") from error
