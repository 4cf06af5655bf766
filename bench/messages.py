"""The workload as agents send it and as the pipeline hands it on, which is what our store takes."""

import functools
import json
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from bench.workload import (
    METERS,
    Integers,
    Phase,
    Workload,
    generation,
    metadata,
    project_name,
    resource_name,
)
from collector.envelope import encode_batch
from storage.ingest.batch import Deltas, Polled, SampleBatch
from storage.ingest.keys import MeterKey, ResourceKey, VersionKey
from storage.sample import DEFAULT_SOURCE, Sample, from_microseconds

# One reading of all meters of an instance: (instance, poll).
Visit = tuple[int, int]

KEYS = tuple(MeterKey(meter.name, meter.type, meter.unit, meter.is_real) for meter in METERS)
NONE = np.zeros(0, np.int64)


def visits_at(workload: Workload, poll: int) -> list[Visit]:
    """One cycle of the whole cloud, in the order the nodes deliver it."""
    return [(instance, poll) for members in workload.messages(poll) for instance in members]


def batch(workload: Workload, visits: Sequence[Visit]) -> SampleBatch:
    """These visits as the messages of their nodes, decoded and joined: what equal messages list stands there once."""
    instances, polls = np.array(visits, np.int64).reshape(-1, 2).T
    rows = np.arange(len(visits))
    return SampleBatch(
        [_resource(workload, instance) for instance, _ in visits],
        [_version(workload, instance, int(workload.lives[instance, poll])) for instance, poll in visits],
        KEYS,
        [tuple(range(len(KEYS)))],
        Polled(
            rows,
            rows,
            np.zeros(len(rows), np.int64),
            workload.times[instances, polls],
            _readings(workload, instances, polls),
        ),
        Deltas(NONE, NONE, NONE, NONE, NONE, b""),
    )


def bodies(workload: Workload, poll: int) -> Iterator[bytes]:
    """The messages of one poll, one of each node."""
    for members in workload.messages(poll):
        yield encode_batch([sample for instance in members for sample in samples(workload, (instance, poll))])


def small_bodies(workload: Workload, most: int) -> list[bytes]:
    """Messages of one sample each."""
    visits = (
        (instance, poll) for poll in range(workload.size.polls) for instance in range(workload.size.instances)
    )
    single = (encode_batch([sample]) for visit in visits for sample in samples(workload, visit))
    return list(islice(single, most))


def samples(workload: Workload, visit: Visit) -> Iterator[Sample]:
    """A visit as the agent's samples."""
    instance, poll = visit
    life = int(workload.lives[instance, poll])
    at = from_microseconds(int(workload.times[instance, poll]))
    around = metadata(instance, workload.phases[instance][life])
    name, project = resource_name(instance), project_name(workload.project_of(instance))
    for place, meter in enumerate(METERS):
        yield Sample(
            meter.name,
            meter.type,
            meter.unit,
            workload.volumes[place][instance, poll].item(),
            name,
            project,
            at,
            user_id=user_name(instance),
            metadata=around,
            generation=generation(instance, life) if meter.type == "cumulative" else None,
        )


def user_name(instance: int) -> str:
    """Whose instance it is."""
    return f"user-{instance % 50}"


@functools.lru_cache(maxsize=100_000)
def _named(instance: int, project: int) -> ResourceKey:
    """A name that came before is the same object, as what the collector remembers."""
    return ResourceKey(project_name(project), resource_name(instance))


def _resource(workload: Workload, instance: int) -> ResourceKey:
    return _named(instance, workload.project_of(instance))


def _version(workload: Workload, instance: int, life: int) -> VersionKey:
    return _version_of(instance, life, workload.phases[instance][life])


@functools.lru_cache(maxsize=10_000)
def _version_of(instance: int, life: int, phase: Phase) -> VersionKey:
    """What the readings of this life say beside their numbers."""
    body = json.dumps(metadata(instance, phase), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return VersionKey(
        user_name(instance), DEFAULT_SOURCE, generation(instance, life), body, counters_only=True
    )


def _readings(workload: Workload, instances: Integers, polls: Integers) -> Integers:
    """Of each visit all meters."""
    columns = [volumes[instances, polls] for volumes in workload.volumes]
    return np.stack([column.view(np.int64) for column in columns], 1).ravel()  # of reals the bits
