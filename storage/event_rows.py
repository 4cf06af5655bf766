"""Events as rows of `storage.tables_events`, and rows as events."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from storage.event import Event, Trait, TraitType, TraitValue
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
        return _number(self)

    @property
    def text(self) -> str:
        """Its traits as JSON."""
        return json.dumps(self.traits)

    @classmethod
    def of_text(cls, event_type: str, text: str) -> "Shape":
        """What `text` made."""
        return cls(event_type, tuple((name, kind) for name, kind in json.loads(text)))


def shape_of(event: Event) -> Shape:
    """The traits of an event without their values."""
    return Shape(event.event_type, tuple([(trait.name, trait.type) for trait in event.traits]))


def row_of(event: Event, shape: int, received: int) -> Row:
    """The row of an event that arrived at `received`, microseconds; `shape` is the number of its shape.

    Raises ValueError, OverflowError or RecursionError for values that can not be kept.
    """
    values = [
        to_microseconds(trait.value) if isinstance(trait.value, datetime) else trait.value
        for trait in event.traits
    ]
    return Row(
        to_microseconds(event.generated),
        key_of(event),
        digest(event.message_id),
        _known_digest(event.event_type),
        _known_digest(event.project_id) if event.project_id else NOBODYS,
        shape,
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
        tuple(
            Trait(name, kind, from_microseconds(value) if kind == "datetime" else value)
            for (name, kind), value in zip(shape.traits, values, strict=True)
        ),
        project_id,
        user_id,
        payload_of(row[8]) if len(row) > 8 else None,
    )


def payload_of(payload: bytes) -> Mapping[str, object] | None:
    """What was compressed into a row, None where it was not kept."""
    return cast("Mapping[str, object]", json.loads(zlib.decompress(payload))) if payload else None


def facets(event: Event) -> Iterator[int]:
    """What an event is found by beside its time, type, project and message id; a value may come twice.

    What is called like its project is found by that.
    """
    if event.user_id and event.user_id != event.project_id:
        yield _known_digest(event.user_id)
    for trait in event.traits:
        if trait.value != event.project_id and is_facet(trait.name, trait.value):
            yield _known_digest(str(trait.value))


def is_facet(name: str, value: TraitValue) -> bool:
    """Whether events with this trait are found by its value."""
    if not isinstance(value, str) or not value:
        return False
    return name == "user_id" or (len(value) >= SHORTEST_NAME and (name.endswith("_id") or name == "id"))


def key_of(event: Event) -> int:
    """Half of its id: with the digest of its message id, nothing else has both."""
    return int.from_bytes(event.id[:8], "big", signed=True)


def digest(text: str) -> int:
    """What stands for a text in a row: 64 bits, never 0."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True) or 1


_known_digest = lru_cache(50_000)(digest)  # of what many events have


@lru_cache(10_000)
def _number(shape: Shape) -> int:
    content = json.dumps([shape.event_type, shape.traits])
    return digest(content)


def _as_json(raw: Mapping[str, object]) -> bytes:
    """JSON of what was JSON, also where it holds lone surrogates."""
    try:
        return _json(raw)
    except UnicodeEncodeError:
        return json.dumps(raw).encode()
