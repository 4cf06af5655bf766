"""Samples as columns: names once each, numbers in arrays, so that thousands cost little more than one.

This is the form in which samples travel from a collector to the tables. It knows nothing of a database; an agent
arranges what it sends in the same way (`collector.framing`).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.ingest.keys import ID_BYTES, MeterKey, ResourceKey, VersionKey, volume_of
from storage.sample import Sample, SampleType, from_microseconds


@dataclass(frozen=True, slots=True)
class Polled:
    """Readings known by resource, meter and time: a row for each delivery of a set of meters, in order of arrival.

    `resource`, `version` and `shape` are places in the lists of the batch, `ts` microseconds since 1970 UTC; one
    entry a row. `readings` are those of all rows, one after another, each in the order of its shape: an int64, or
    the bits of a float64.
    """

    resource: Integers
    version: Integers
    shape: Integers
    ts: Integers
    readings: Integers


@dataclass(frozen=True, slots=True)
class Deltas:
    """Readings known by an id, one entry each; `meter` is a place in the list of the batch, `ids` 16 bytes each."""

    resource: Integers
    version: Integers
    meter: Integers
    ts: Integers
    volume: Integers
    ids: bytes


_NONE = np.empty(0, np.int64)
NO_DELTAS = Deltas(_NONE, _NONE, _NONE, _NONE, _NONE, b"")


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples as columns. A name may stand in its list more than once; a shape is places in `meters`."""

    resources: Sequence[ResourceKey]
    versions: Sequence[VersionKey]
    meters: Sequence[MeterKey]
    shapes: Sequence[tuple[int, ...]]
    polled: Polled
    deltas: Deltas

    def __len__(self) -> int:
        """How many samples these are."""
        return len(self.polled.readings) + len(self.deltas.ts)

    def samples(self) -> list[Sample]:
        """Each as an object: the polled ones in their order, then the deltas."""
        bodies = [cast("dict[str, object]", json.loads(version.body)) for version in self.versions]

        def sample(where: tuple[int, int, int], meter: int, bits: int, identity: bytes | None) -> Sample:
            resource, version, ts = where
            owner, kind, around = self.resources[resource], self.meters[meter], self.versions[version]
            has_generation = kind.type == "cumulative" or not around.counters_only
            return Sample(
                meter=kind.name,
                type=cast("SampleType", kind.type),  # what is arranged here was normalized
                unit=kind.unit,
                volume=volume_of(bits, real=kind.real),
                resource_id=owner.resource_id,
                project_id=owner.project_id or None,
                timestamp=from_microseconds(ts),
                user_id=around.user_id,
                source=around.source,
                metadata=bodies[version],
                generation=around.generation if has_generation else None,
                id=identity,
            )

        polled, deltas, made = self.polled, self.deltas, []
        supply = iter(polled.readings.tolist())
        columns = (polled.resource, polled.version, polled.ts, polled.shape)
        for resource, version, ts, shape in zip(*(column.tolist() for column in columns), strict=True):
            where = resource, version, ts
            made += [sample(where, meter, next(supply), None) for meter in self.shapes[shape]]
        columns = (deltas.resource, deltas.version, deltas.ts, deltas.meter)
        for place, (*at, meter) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            identity = deltas.ids[place * ID_BYTES : (place + 1) * ID_BYTES]
            made.append(sample((at[0], at[1], at[2]), meter, int(deltas.volume[place]), identity))
        return made


NO_SAMPLES = SampleBatch((), (), (), (), Polled(_NONE, _NONE, _NONE, _NONE, _NONE), NO_DELTAS)


def widths_of(shapes: Sequence[Sequence[object]]) -> Integers:
    """How many meters each shape has."""
    return np.fromiter((len(shape) for shape in shapes), np.int64, len(shapes))


def spread(first: Integers, width: Integers) -> Integers:
    """Places of readings: for each row `width` of them, one after another, beginning with `first`."""
    ends = np.cumsum(width)
    total = int(ends[-1]) if len(ends) else 0
    places: Integers = np.arange(total) + np.repeat(first - (ends - width), width)
    return places


def starts(width: Integers) -> Integers:
    """Where each row's readings begin when they lie one after another."""
    return np.cumsum(width) - width


def integers(values: Sequence[object]) -> Integers:
    """Integers, or tuples of them, as an array."""
    return np.array(values, np.int64)


def join(batches: Sequence[SampleBatch]) -> SampleBatch:
    """All samples of these batches in their order."""
    if len(batches) == 1:
        return batches[0]
    resources: list[ResourceKey] = []
    versions: list[VersionKey] = []
    meters: list[MeterKey] = []
    shapes: list[tuple[int, ...]] = []
    polled, deltas = [], []
    for batch in batches:
        first = (len(resources), len(versions), len(meters), len(shapes))
        polled.append(moved_polled(batch.polled, first[0], first[1], first[3]))
        deltas.append(moved_deltas(batch.deltas, *first[:3]))
        resources += batch.resources
        versions += batch.versions
        meters += batch.meters
        shapes += [tuple(meter + first[2] for meter in shape) for shape in batch.shapes]
    return SampleBatch(resources, versions, meters, shapes, join_polled(polled), join_deltas(deltas))


def pieces(batch: SampleBatch, limit: int) -> Iterator[SampleBatch]:
    """The batch in pieces of about `limit` samples, in order; the batch itself when it is not much larger."""
    if len(batch) <= 2 * limit:
        yield batch
    else:
        yield from cut(batch, limit)


def cut(batch: SampleBatch, limit: int) -> Iterator[SampleBatch]:
    """The same, but no piece is larger than `limit` unless it is a single row."""
    polled, deltas = batch.polled, batch.deltas
    ends = np.cumsum(widths_of(batch.shapes)[polled.shape])
    row = reading = 0
    while row < len(ends):
        last = max(row + 1, int(np.searchsorted(ends, reading + limit, "right")))
        end = int(ends[last - 1])
        rows = chosen_polled(polled, slice(row, last), polled.readings[reading:end])
        yield replace(batch, polled=rows, deltas=NO_DELTAS)
        row, reading = last, end
    nothing = chosen_polled(polled, slice(0), polled.readings[:0])
    for first in range(0, len(deltas.ts), limit):
        ids = deltas.ids[first * ID_BYTES : (first + limit) * ID_BYTES]
        yield replace(batch, polled=nothing, deltas=chosen_deltas(deltas, slice(first, first + limit), ids))


def chosen_polled(polled: Polled, rows: slice | NDArray[np.bool_], readings: Integers) -> Polled:
    """The chosen rows, whose readings are these."""
    return Polled(polled.resource[rows], polled.version[rows], polled.shape[rows], polled.ts[rows], readings)


def chosen_deltas(deltas: Deltas, entries: slice | NDArray[np.bool_], ids: bytes) -> Deltas:
    """The chosen entries, whose ids are these."""
    return Deltas(
        deltas.resource[entries],
        deltas.version[entries],
        deltas.meter[entries],
        deltas.ts[entries],
        deltas.volume[entries],
        ids,
    )


def moved_polled(polled: Polled, resource: int, version: int, shape: int) -> Polled:
    """The rows when their names begin at these places of longer lists."""
    return Polled(
        polled.resource + resource,
        polled.version + version,
        polled.shape + shape,
        polled.ts,
        polled.readings,
    )


def moved_deltas(deltas: Deltas, resource: int, version: int, meter: int) -> Deltas:
    """The entries when their names begin at these places of longer lists."""
    return Deltas(
        deltas.resource + resource,
        deltas.version + version,
        deltas.meter + meter,
        deltas.ts,
        deltas.volume,
        deltas.ids,
    )


def join_polled(parts: Sequence[Polled]) -> Polled:
    """One after another; their names are in the same lists."""
    return Polled(
        np.concatenate([part.resource for part in parts]),
        np.concatenate([part.version for part in parts]),
        np.concatenate([part.shape for part in parts]),
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.readings for part in parts]),
    )


def join_deltas(parts: Sequence[Deltas]) -> Deltas:
    """One after another; their names are in the same lists."""
    return Deltas(
        np.concatenate([part.resource for part in parts]),
        np.concatenate([part.version for part in parts]),
        np.concatenate([part.meter for part in parts]),
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.volume for part in parts]),
        b"".join(part.ids for part in parts),
    )
