"""Columns back to samples: one object for each reading somebody wants to see."""

import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from storage.columns import Columns
from storage.names import Meter, Names, Owner, Version
from storage.packing import derived_message_id
from storage.sample import Sample, StoredSample, from_microseconds


class FoundSample(NamedTuple):
    """A stored sample as the store knows it; `meter`, `owner` and `version` are shared by many.

    Times are microseconds since 1970 UTC. `recv` is the time of observation where nobody knows any more when the
    sample arrived (sealed readings); `id` only of delta samples. A tuple, for the hundreds of an answer: the
    dataclasses of `storage.sample` took ten times as long to make (2026-11).
    """

    message_id: str
    ts: int
    recv: int
    volume: int | float
    meter: Meter
    owner: Owner
    version: Version
    id: bytes | None


def found_samples(names: Names, found: Columns) -> Iterator[FoundSample]:
    """The readings in columns, in their order; their names were learned."""
    meter, mid, owner, version = names.meter(found.mid), found.mid, names.owner, names.version
    recv = found.ts if found.recv is None else found.recv
    ids: Sequence[bytes | None] = found.ids or [None] * len(found.ts)
    columns = (found.ts, found.rid, found.ver, recv, found.volume)
    for ts, rid, ver, arrived, volume, identity in zip(*(one.tolist() for one in columns), ids, strict=True):
        message_id = derived_message_id(rid, mid, ts) if identity is None else str(uuid.UUID(bytes=identity))
        yield FoundSample(message_id, ts, arrived, volume, meter, owner(rid), version(ver), identity)


def as_sample(found: FoundSample) -> StoredSample:
    """The sample that was found, in the words of everybody else."""
    has_generation = found.meter.type == "cumulative" or not found.version.counters_only
    sample = Sample(
        meter=found.meter.name,
        type=found.meter.type,
        unit=found.meter.unit,
        volume=found.volume,
        resource_id=found.owner.resource_id,
        project_id=found.owner.project_id,
        timestamp=from_microseconds(found.ts),
        user_id=found.version.user_id,
        source=found.version.source,
        metadata=found.version.metadata,
        generation=found.version.generation if has_generation else None,
        id=found.id,
    )
    return StoredSample(found.message_id, sample, from_microseconds(found.recv))


def newest_first(found: FoundSample) -> tuple[int, str, str, str, str]:
    """The key that sorts samples newest first; equal times by resource, project, meter and id."""
    owner = found.owner
    return -found.ts, owner.resource_id, owner.project_id or "", found.meter.name, found.message_id
