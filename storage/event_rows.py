"""Events as rows of `storage.tables_events`, and rows as events."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from storage.event import Event, Kinds, Traits, TraitType, TraitValue, kinds_of
from storage.sample import from_microseconds, to_microseconds

NOBODYS = 0  # the `owner` of events without a project
LEVEL = 1  # of compression: 2 kB of JSON become 0.9 kB in 30 µs; level 6 takes twice as long for a tenth less
SHORTEST_NAME = 16  # characters of what names one thing among all: ids of OpenStack have 32 or 36

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_json = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """The columns of `event`, in their order."""

    ts: int
    k: int
    m: int
    kind: int
    owner: int
    shape: int
    recv: int
    body: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """Which traits an event has: their names and types in the order of its values."""

    event_type: str
    traits: tuple[tuple[str, TraitType], ...]

    @property
    def number(self) -> int:
        """What rows say for it."""
        return digest(json.dumps([self.event_type, self.traits]))

    @property
    def text(self) -> str:
        """Its traits as JSON."""
        return json.dumps(self.traits)

    @classmethod
    def of_text(cls, event_type: str, text: str) -> "Shape":
        """What `text` made."""
        return cls(event_type, tuple((name, kind) for name, kind in json.loads(text)))


@dataclass(frozen=True, slots=True)
class Layout:
    """What rows of events with the same type and traits have in common."""

    shape: Shape
    number: int  # of the shape
    kind: int
    moments: tuple[int, ...]  # which values are times
    naming: tuple[tuple[int, int], ...]  # which values name something, and how long they are at least


def layout_of(event: Event) -> Layout:
    """How its row is made."""
    return _layout(event.event_type, Traits.of(event.traits).kinds)


def row_of(event: Event, layout: Layout, received: int) -> Row:
    """The row of an event that arrived at `received`, microseconds.

    Raises ValueError, OverflowError or RecursionError for values that can not be kept.
    """
    values: Sequence[object] = Traits.of(event.traits).values
    if layout.moments:
        values = list(values)
        for place in layout.moments:
            moment = values[place]
            values[place] = to_microseconds(moment) if isinstance(moment, datetime) else moment
    return Row(
        to_microseconds(event.generated),
        key_of(event),
        digest(event.message_id),
        layout.kind,
        _known_digest(event.project_id) if event.project_id else NOBODYS,
        layout.number,
        received,
        _pack((event.message_id, event.publisher_id, event.project_id, event.user_id, *values)),
        b"" if event.raw is None else zlib.compress(_as_json(event.raw), LEVEL),
    )


def event_of(row: Sequence[Any], shape: Shape) -> Event:  # Any: integers and bytes
    """The event of a row; `payload`, the last of its columns, may be left out."""
    message_id, publisher_id, project_id, user_id, *values = _unpack(row[7])
    return Event(
        message_id,
        publisher_id,
        shape.event_type,
        from_microseconds(row[0]),
        Traits(
            kinds_of(shape.traits),
            tuple(
                from_microseconds(value) if kind == "datetime" else value
                for (_, kind), value in zip(shape.traits, values, strict=True)
            ),
        ),
        project_id,
        user_id,
        payload_of(row[8]) if len(row) > 8 else None,
    )


def payload_of(payload: bytes) -> Mapping[str, object] | None:
    """What was compressed into a row, None where it was not kept."""
    return cast("Mapping[str, object]", json.loads(zlib.decompress(payload))) if payload else None


def facets(event: Event, layout: Layout) -> set[int]:
    """What an event is found by beside its time, type, project and message id.

    What is called like its project is found by that.
    """
    values = Traits.of(event.traits).values
    found = {
        value
        for place, shortest in layout.naming
        if isinstance(value := values[place], str) and len(value) >= shortest
    }
    if event.user_id:
        found.add(event.user_id)
    found.discard(event.project_id or "")
    return {_known_digest(value) for value in found}


def is_facet(name: str, value: TraitValue) -> bool:
    """Whether events with this trait are found by its value."""
    shortest = _shortest(name)
    return shortest is not None and isinstance(value, str) and len(value) >= shortest


def key_of(event: Event) -> int:
    """Half of its id: with the digest of its message id, nothing else has both."""
    return int.from_bytes(event.id[:8], "big", signed=True)


def digest(text: str) -> int:
    """What stands for a text in a row: 64 bits, never 0."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True) or 1


_known_digest = lru_cache(50_000)(digest)  # of what many events have


def _shortest(name: str) -> int | None:
    """How long a text in this trait is, at least, if it names something; None where none does."""
    if name == "user_id":
        return 1
    return SHORTEST_NAME if name.endswith("_id") or name == "id" else None


@lru_cache(10_000)
def _layout(event_type: str, kinds: Kinds) -> Layout:
    shape = Shape(event_type, kinds.pairs)
    naming = [(place, _shortest(name)) for place, (name, _) in enumerate(kinds.pairs)]
    return Layout(
        shape,
        shape.number,
        digest(event_type),
        tuple(place for place, (_, kind) in enumerate(kinds.pairs) if kind == "datetime"),
        tuple((place, shortest) for place, shortest in naming if shortest is not None),
    )


def _as_json(raw: Mapping[str, object]) -> bytes:
    """JSON of what was JSON, also where it holds lone surrogates."""
    try:
        return _json(raw)
    except UnicodeEncodeError:
        return json.dumps(raw).encode()
