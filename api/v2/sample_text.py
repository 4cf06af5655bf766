"""Stored samples as JSON text, byte for byte as Python's own JSON writes the models of `schemas`.

An answer repeats a few hundred names around every number. Each is written once and kept.
"""

import json
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from api.v2 import times
from storage.names import Meter, Owner, Version
from storage.sample import flatten
from storage.stored import FoundSample

T = TypeVar("T")

KEPT: Final = 20_000  # texts of a kind; those of metadata have some hundred bytes each


def samples(found: Iterable[FoundSample]) -> str:
    """An array of `schemas.Sample`."""
    return f"[{', '.join(map(_sample, found))}]"


def old_samples(found: Iterable[FoundSample]) -> str:
    """An array of `schemas.OldSample`."""
    return f"[{', '.join(map(_old_sample, found))}]"


class Texts(Generic[T]):
    """The text of each thing, made when it is first asked for; things are told apart by being the same object."""

    def __init__(self, make: Callable[[T], str]) -> None:
        self._make = make
        self._known: dict[int, tuple[T, str]] = {}  # the thing is held, so that no other gets its id

    def of(self, thing: T) -> str:
        """Its text."""
        known = self._known.get(id(thing))
        if known is None:
            if len(self._known) >= KEPT:
                self._known = {}
            known = self._known[id(thing)] = (thing, self._make(thing))
        return known[1]


def _sample(found: FoundSample) -> str:
    return (
        f'{{"id": "{found.message_id}", {_METERS.of(found.meter)}, "volume": {float(found.volume)!r}, '
        f'"user_id": {_USERS.of(found.version)}, {_OWNERS.of(found.owner)}, '
        f'"source": {_SOURCES.of(found.version)}, "timestamp": "{times.text_of(found.ts)}", '
        f'"recorded_at": "{times.text_of(found.recv)}", "metadata": {_METADATA.of(found.version)}}}'
    )


def _old_sample(found: FoundSample) -> str:
    return (
        f'{{"source": {_SOURCES.of(found.version)}, {_OLD_METERS.of(found.meter)}, '
        f'"counter_volume": {float(found.volume)!r}, "user_id": {_USERS.of(found.version)}, '
        f'{_OWNERS.of(found.owner)}, "timestamp": "{times.text_of(found.ts)}", '
        f'"recorded_at": "{times.text_of(found.recv)}", "resource_metadata": {_METADATA.of(found.version)}, '
        f'"message_id": "{found.message_id}"}}'
    )


def _inside(**values: str | None) -> str:
    """The keys and values of an object, without its braces."""
    return json.dumps(values)[1:-1]


def _meter(meter: Meter) -> str:
    return _inside(meter=meter.name, type=meter.type, unit=meter.unit)


def _old_meter(meter: Meter) -> str:
    return _inside(counter_name=meter.name, counter_type=meter.type, counter_unit=meter.unit)


def _owner(owner: Owner) -> str:
    return _inside(project_id=owner.project_id, resource_id=owner.resource_id)


def _user(version: Version) -> str:
    return json.dumps(version.user_id)


def _source(version: Version) -> str:
    return json.dumps(version.source)


def _metadata(version: Version) -> str:
    return json.dumps(flatten(version.metadata))


_METERS, _OLD_METERS, _OWNERS = Texts(_meter), Texts(_old_meter), Texts(_owner)
_USERS, _SOURCES, _METADATA = Texts(_user), Texts(_source), Texts(_metadata)
