"""Samples, one by one, arranged as columns; an agent does it, too, so it needs nothing but the standard library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from storage.ingest.keys import MeterKey, ResourceKey, bits_of
from storage.sample import Sample, to_microseconds

V = TypeVar("V")

_write = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


class _NoneYet(Enum):
    """Stands for the generation of readings that did not come yet."""

    NONE_YET = "none yet"


_NONE_YET: Final = _NoneYet.NONE_YET
_Generation = str | Literal[_NoneYet.NONE_YET] | None


class Around(NamedTuple, Generic[V]):
    """What readings of one version say beside their numbers; `about` is all of it but the generation.

    With `counters_only` the generation is that of cumulative meters; others of this version have none.
    """

    about: V
    generation: str | None
    counters_only: bool


@dataclass(frozen=True, slots=True)
class Arranged(Generic[V]):
    """Rows (resource, version, shape, time), their readings, delta samples (resource, version, meter, time, reading).

    Numbers are places in the lists of names, or microseconds; `ids` are 16 bytes for each delta sample.
    """

    versions: list[Around[V]]
    shapes: list[tuple[int, ...]]
    rows: list[tuple[int, int, int, int]]
    readings: list[int]
    deltas: list[tuple[int, int, int, int, int]]
    ids: bytes


@dataclass(slots=True)
class _Row(Generic[V]):
    """Readings of a resource and instant by name, so that none is twice: the meter, and the bits of its reading.

    `counted` is the generation of its cumulative meters, `plain` that of the others.
    """

    resource: int
    ts: int
    about: V
    counted: _Generation = _NONE_YET
    plain: _Generation = _NONE_YET
    readings: dict[int, tuple[int, int]] = field(default_factory=dict)

    def takes(self, about: V, name: int, generation: str | None, *, is_counter: bool) -> bool:
        """Whether a reading may stand in this row; notes its generation then."""
        if about != self.about or name in self.readings:
            return False
        before = self.counted if is_counter else self.plain
        if before != generation:
            counted, plain = (generation, self.plain) if is_counter else (self.counted, generation)
            if before is not _NONE_YET or not _is_one_version(counted, plain):
                return False
            self.counted, self.plain = counted, plain
        return True

    def around(self) -> Around[V]:
        if self.counted is _NONE_YET:
            plain = None if self.plain is _NONE_YET else self.plain
            return Around(self.about, plain, counters_only=False)
        is_joint = self.plain is not _NONE_YET and self.plain != self.counted
        return Around(self.about, self.counted, counters_only=is_joint)


class Arrangement(Generic[V]):
    """Columns that grow; what a sample says beside its number and generation is the caller's.

    Readings of one resource and instant share a row where they say the same beside their numbers, but that gauges have
    no generation. A meter that comes again, or anything else, begins another row: so rows keep the order in which the
    readings of a meter came.
    """

    def __init__(self) -> None:
        self.resources: list[ResourceKey] = []
        self.meters: list[MeterKey] = []
        # By plain tuples, which are equal to keys and made in a fifth of the time.
        self._resource: dict[tuple[str, str], int] = {}
        self._meter: dict[tuple[str, str, str, bool], int] = {}
        self._names: dict[tuple[str, str, str], int] = {}
        self._name_of: list[int] = []
        self._rows: list[_Row[V]] = []
        self._open: dict[tuple[int, int], _Row[V]] = {}  # by resource and time
        self._deltas: list[tuple[int, Around[V], int, int, int]] = []
        self._ids: list[bytes] = []

    def add(self, sample: Sample, about: V, identity: bytes | None) -> None:
        """Takes in one sample, whose volume fits 64 bits; a delta sample has an `identity` of 16 bytes."""
        owner = (sample.project_id or "", sample.resource_id)
        resource = self._resource.get(owner)
        if resource is None:
            resource = self._resource[owner] = len(self.resources)
            self.resources.append(ResourceKey(*owner))
        meter, ts, bits = self._meter_of(sample), to_microseconds(sample.timestamp), bits_of(sample.volume)
        generation, is_counter = sample.generation, sample.type == "cumulative"
        if identity is not None:
            around = Around(about, generation, counters_only=False)
            self._deltas.append((resource, around, meter, ts, bits))
            self._ids.append(identity)
            return
        name = self._name_of[meter]
        row = self._open.get((resource, ts))
        if row is None or not row.takes(about, name, generation, is_counter=is_counter):
            row = self._open[resource, ts] = _Row(resource, ts, about)
            row.takes(about, name, generation, is_counter=is_counter)
            self._rows.append(row)
        row.readings[name] = (meter, bits)

    def arranged(self) -> Arranged[V]:
        """All that was added."""
        versions: dict[Around[V], int] = {}
        shapes: dict[tuple[int, ...], int] = {}
        rows, readings = [], []
        for row in self._rows:
            entries = sorted(row.readings.values())
            version = versions.setdefault(row.around(), len(versions))
            shape = tuple(meter for meter, _ in entries)
            rows.append((row.resource, version, shapes.setdefault(shape, len(shapes)), row.ts))
            readings += [bits for _, bits in entries]
        deltas = [
            (resource, versions.setdefault(around, len(versions)), meter, ts, bits)
            for resource, around, meter, ts, bits in self._deltas
        ]
        return Arranged(list(versions), list(shapes), rows, readings, deltas, b"".join(self._ids))

    def _meter_of(self, sample: Sample) -> int:
        found = (sample.meter, sample.type, sample.unit, isinstance(sample.volume, float))
        meter = self._meter.get(found)
        if meter is None:
            kind = MeterKey(*found)
            meter = self._meter[found] = len(self.meters)
            self.meters.append(kind)
            name = (kind.name, kind.type, kind.unit)
            self._name_of.append(self._names.setdefault(name, len(self._names)))
        return meter


def _is_one_version(counted: _Generation, plain: _Generation) -> bool:
    """Whether counters and others with these generations can be told from one another by their type alone."""
    return counted is _NONE_YET or plain is _NONE_YET or plain is None or plain == counted


def canonical(metadata: Mapping[str, object]) -> str:
    """The one JSON text of equal metadata."""
    return _write(metadata)
