"""Columns back to samples: one object for each reading somebody wants to see."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.columns import Columns
from storage.names import Names
from storage.packing import derived_message_id
from storage.sample import Sample, StoredSample, from_microseconds


@dataclass(frozen=True, slots=True)
class Reading:
    """One number with the numbers of everything around it; `id` only for delta samples.

    `recv` is the time of observation where nobody knows any more when it arrived (sealed readings).
    """

    ts: int
    rid: int
    mid: int
    ver: int
    recv: int
    volume: int | float
    id: bytes | None


def one_by_one(found: Columns) -> Iterator[Reading]:
    """The readings in columns, in their order."""
    recv = found.ts if found.recv is None else found.recv
    ids: Sequence[bytes | None] = found.ids or [None] * len(found.ts)
    columns = (found.ts, found.rid, found.ver, recv, found.volume)
    for ts, rid, ver, arrived, volume, identity in zip(*(one.tolist() for one in columns), ids, strict=True):
        yield Reading(ts, rid, found.mid, ver, arrived, volume, identity)


def as_sample(names: Names, reading: Reading) -> StoredSample:
    """The sample of a reading whose names were learned."""
    kind, owner, around = names.meter(reading.mid), names.owner(reading.rid), names.version(reading.ver)
    sample = Sample(
        meter=kind.name,
        type=kind.type,
        unit=kind.unit,
        volume=reading.volume,
        resource_id=owner.resource_id,
        project_id=owner.project_id,
        timestamp=from_microseconds(reading.ts),
        user_id=around.user_id,
        source=around.source,
        metadata=around.metadata,
        generation=around.generation,
        id=reading.id,
    )
    return StoredSample(message_id_of(reading), sample, from_microseconds(reading.recv))


def newest_first(found: StoredSample) -> tuple[float, str, str, str, str]:
    """The key that sorts samples newest first; equal times by resource, project, meter and id."""
    sample = found.sample
    return (
        -sample.timestamp.timestamp(),
        sample.resource_id,
        sample.project_id or "",
        sample.meter,
        found.message_id,
    )


def message_id_of(reading: Reading) -> str:
    """The id of a sample: its own, or one derived from resource, meter and time."""
    if reading.id is not None:
        return str(uuid.UUID(bytes=reading.id))
    return derived_message_id(reading.rid, reading.mid, reading.ts)
