"""Stored samples as JSON text, byte for byte as Python's own JSON writes the models of `schemas`.

An answer repeats a few hundred names around every number. Each is written once and kept.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from api.v2 import times
from storage.names import Meter, Owner, Version
from storage.reading.stored import FoundSample
from storage.sample import flatten

T = TypeVar("T")
Text = TypeVar("Text", str, bytes)

KEPT: Final = 20_000  # texts of a kind; those of metadata have some hundred bytes each
ANSWERS: Final = 200  # of a hundred samples, some 80 KB each


class Texts(Generic[T, Text]):
    """The text of each thing, made when it is first asked for; things are told apart by being the same object.

    All are forgotten before there are more than `kept`.
    """

    def __init__(self, make: Callable[[T], Text], kept: int = KEPT) -> None:
        self._make: Callable[[T], Text] = make
        self._kept = kept
        self._known: dict[int, tuple[T, Text]] = {}  # the thing is held, so that no other gets its id

    def of(self, thing: T) -> Text:
        """Its text."""
        known = self._known.get(id(thing))
        if known is None:
            if len(self._known) >= self._kept:
                self._known = {}
            known = self._known[id(thing)] = (thing, self._make(thing))
        return known[1]


class Written:
    """An array of samples, each written by `make`."""

    def __init__(self, make: Callable[[FoundSample], str]) -> None:
        self._make = make
        self._texts: Texts[FoundSample, str] = Texts(make)
        self._answers: Texts[Sequence[FoundSample], bytes] = Texts(self._put_together, ANSWERS)

    def all(self, found: Sequence[FoundSample]) -> bytes:
        """Its text."""
        return f"[{', '.join(map(self._make, found))}]".encode()

    def again(self, found: Sequence[FoundSample]) -> bytes:
        """The same where `found`, or most of its samples, are the same objects when they are asked for again."""
        return self._answers.of(found)

    def _put_together(self, found: Sequence[FoundSample]) -> bytes:
        return f"[{', '.join(map(self._texts.of, found))}]".encode()


class Surroundings:
    """What stands around a number: a part before its times and a part after them, for each owner and version.

    Made and kept as `Texts` are; most pairs are asked for again at the next poll.
    """

    def __init__(self, make: Callable[[Owner, Version], tuple[str, str]]) -> None:
        self._make = make
        self._known: dict[tuple[int, int], tuple[str, str, Owner, Version]] = {}

    def of(self, owner: Owner, version: Version) -> tuple[str, str, Owner, Version]:
        """The two parts, and what they were made of."""
        known = self._known.get((id(owner), id(version)))
        if known is None:
            if len(self._known) >= KEPT:
                self._known = {}
            known = self._known[id(owner), id(version)] = (*self._make(owner, version), owner, version)
        return known


def _sample(found: FoundSample) -> str:
    message_id, ts, recv, volume, meter, owner, version, _ = found
    who, metadata, _, _ = _AROUND.of(owner, version)
    return (
        f'{{"id": "{message_id}", {_METERS.of(meter)}, "volume": {float(volume)!r}, {who}, '
        f'"timestamp": "{times.text_of(ts)}", "recorded_at": "{times.text_of(recv)}", {metadata}}}'
    )


def _old_sample(found: FoundSample) -> str:
    message_id, ts, recv, volume, meter, owner, version, _ = found
    who, metadata, _, _ = _OLD_AROUND.of(owner, version)
    return (
        f'{{{_SOURCES.of(version)}, {_OLD_METERS.of(meter)}, "counter_volume": {float(volume)!r}, {who}, '
        f'"timestamp": "{times.text_of(ts)}", "recorded_at": "{times.text_of(recv)}", {metadata}, '
        f'"message_id": "{message_id}"}}'
    )


def _inside(**values: object) -> str:
    """The keys and values of an object, without its braces."""
    return json.dumps(values)[1:-1]


def _meter(meter: Meter) -> str:
    return _inside(meter=meter.name, type=meter.type, unit=meter.unit)


def _old_meter(meter: Meter) -> str:
    return _inside(counter_name=meter.name, counter_type=meter.type, counter_unit=meter.unit)


def _around(owner: Owner, version: Version) -> tuple[str, str]:
    who = _inside(
        user_id=version.user_id,
        project_id=owner.project_id,
        resource_id=owner.resource_id,
        source=version.source,
    )
    return who, _inside(metadata=flatten(version.metadata))


def _old_around(owner: Owner, version: Version) -> tuple[str, str]:
    who = _inside(user_id=version.user_id, project_id=owner.project_id, resource_id=owner.resource_id)
    return who, _inside(resource_metadata=flatten(version.metadata))


def _source(version: Version) -> str:
    return _inside(source=version.source)


_METERS, _OLD_METERS, _SOURCES = Texts(_meter), Texts(_old_meter), Texts(_source)
_AROUND, _OLD_AROUND = Surroundings(_around), Surroundings(_old_around)

# Arrays of `schemas.Sample` and of `schemas.OldSample`.
SAMPLES: Final = Written(_sample)
OLD_SAMPLES: Final = Written(_old_sample)
