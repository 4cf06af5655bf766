"""Which event types a definition means, found without trying one definition after the other.

A definition names types exactly (`volume.exists`), by their first words (`volume.*`), or all (`*`); those of
Ceilometer's files have patterns of their own, which are tried once for each type that occurs.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

REMEMBERED = 4096  # event types; senders may invent any number, such as `capacity.pool.<name>`

Thing = TypeVar("Thing")


class Pattern(Protocol):
    """Which event types something is for, when their names alone do not say it."""

    def matches(self, event_type: str) -> bool:
        """Whether it is for this one."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Event types by name: exact, `a.b.*` for all that begin with `a.b.`, or `*`; but none of `excluded`."""

    events: frozenset[str]
    excluded: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return ", ".join(sorted(self.events))


@dataclass(frozen=True, slots=True)
class Before:
    """Names as a pattern: what is for them comes before all that is found by its names."""

    names: Names

    def matches(self, event_type: str) -> bool:
        """Whether they name this one."""
        means = list(_names(event_type))
        return not self.names.events.isdisjoint(means) and self.names.excluded.isdisjoint(means)

    def __str__(self) -> str:
        return str(self.names)


class ByEventType(Generic[Thing]):
    """Things by the event types they are for; it never changes, so any thread may use it."""

    def __init__(self, things: Iterable[tuple[Names | Pattern, Thing]]) -> None:
        self._named: dict[str, list[tuple[int, Names, Thing]]] = defaultdict(list)
        self._tried: list[tuple[int, Pattern, Thing]] = []
        for number, (kind, thing) in enumerate(things):
            if isinstance(kind, Names):
                for name in kind.events:
                    self._named[name].append((number, kind, thing))
            else:
                self._tried.append((number, kind, thing))
        self._named = dict(self._named)
        self.of = lru_cache(REMEMBERED)(self._of)

    def _of(self, event_type: str) -> tuple[Thing, ...]:
        """What is for this type, each thing once.

        First those with patterns, then what names the type itself, then what names ever fewer of its first words,
        then `*`; of equal ones in their order.
        """
        names = list(_names(event_type))
        named = (known for name in names for known in self._named.get(name, ()))
        found = {number: thing for number, pattern, thing in self._tried if pattern.matches(event_type)}
        found |= {number: thing for number, kind, thing in named if kind.excluded.isdisjoint(names)}
        return tuple(found.values())


def check_event_types(events: Iterable[str]) -> None:
    """Raises ValueError for a name with a star anywhere but alone or at the end, as .*."""
    for event in events:
        if event != "*" and ("*" in event.removesuffix(".*") or not event.removesuffix(".*")):
            raise ValueError(f"event {event!r}: * stands only at the end, as .*")


def overlap(some: Names, others: Names) -> bool:
    """Whether an event type of the one may be one of the other, whatever is excluded."""
    return any(one in _names(other) or other in _names(one) for one in some.events for other in others.events)


def _names(event_type: str) -> Iterator[str]:
    """The type itself, then `a.b.*` and `a.*` if it is `a.b.c`, then `*`."""
    yield event_type
    prefix = event_type
    while "." in prefix:
        prefix = prefix.rpartition(".")[0]
        yield f"{prefix}.*"
    yield "*"
