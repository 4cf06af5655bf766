"""Samples, one by one, arranged as columns; an agent does it, too, so it needs nothing but the standard library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from storage.keys import MeterKey, ResourceKey, bits_of
from storage.sample import Sample, to_microseconds

V = TypeVar("V")

_Row = dict[
    int, tuple[int, int]
]  # by name, so that no row has a meter twice: the meter, the bits of its reading


@dataclass(frozen=True, slots=True)
class Arranged:
    """Rows (resource, version, shape, time), their readings, delta samples (resource, version, meter, time, reading).

    Numbers are places in the lists of names, or microseconds; `ids` are 16 bytes for each delta sample.
    """

    shapes: list[tuple[int, ...]]
    rows: list[tuple[int, int, int, int]]
    readings: list[int]
    deltas: list[tuple[int, int, int, int, int]]
    ids: bytes


class Arrangement(Generic[V]):
    """Columns that grow; what a sample says beside its number (its version) is the caller's.

    Readings of one resource, instant and version that follow one another share a row. A meter that comes again, or
    another version, begins another row: so rows keep the order in which the readings of a meter came.
    """

    def __init__(self) -> None:
        self.resources: dict[ResourceKey, int] = {}
        self.versions: dict[V, int] = {}
        self.meters: dict[MeterKey, int] = {}
        self._names: dict[tuple[str, str, str], int] = {}
        self._name_of: list[int] = []
        self._rows: list[tuple[int, int, int, _Row]] = []
        self._open: dict[tuple[int, int], tuple[int, _Row]] = {}  # by resource and time
        self._deltas: list[tuple[int, int, int, int, int]] = []
        self._ids: list[bytes] = []

    def add(self, sample: Sample, version: V, identity: bytes | None) -> None:
        """Takes in one sample, whose volume fits 64 bits; a delta sample has an `identity` of 16 bytes."""
        owner = ResourceKey(sample.project_id or "", sample.resource_id)
        resource = self.resources.setdefault(owner, len(self.resources))
        around = self.versions.setdefault(version, len(self.versions))
        meter, ts, bits = self._meter(sample), to_microseconds(sample.timestamp), bits_of(sample.volume)
        if identity is not None:
            self._deltas.append((resource, around, meter, ts, bits))
            self._ids.append(identity)
            return
        name = self._name_of[meter]
        of_version, row = self._open.get((resource, ts), (None, {}))
        if of_version != around or name in row:
            row = {}
            self._open[resource, ts] = around, row
            self._rows.append((resource, around, ts, row))
        row[name] = (meter, bits)

    def arranged(self) -> "Arranged":
        """All that was added."""
        shapes: dict[tuple[int, ...], int] = {}
        rows, readings = [], []
        for resource, version, ts, row in self._rows:
            entries = sorted(row.values())
            shape = tuple(meter for meter, _ in entries)
            rows.append((resource, version, shapes.setdefault(shape, len(shapes)), ts))
            readings += [bits for _, bits in entries]
        return Arranged(list(shapes), rows, readings, self._deltas, b"".join(self._ids))

    def _meter(self, sample: Sample) -> int:
        kind = MeterKey(sample.meter, sample.type, sample.unit, isinstance(sample.volume, float))
        meter = self.meters.get(kind)
        if meter is None:
            meter = self.meters[kind] = len(self.meters)
            name = (kind.name, kind.type, kind.unit)
            self._name_of.append(self._names.setdefault(name, len(self._names)))
        return meter


def canonical(metadata: Mapping[str, object]) -> str:
    """The one JSON text of equal metadata."""
    return json.dumps(metadata, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
