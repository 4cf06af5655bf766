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
from storage.batch import Deltas, Polled, SampleBatch
from storage.keys import MeterKey, ResourceKey, VersionKey
from storage.sample import DEFAULT_SOURCE, Sample, from_microseconds

# One reading of all meters of an instance: (instance, poll).
Visit = tuple[int, int]

COUNTERS = tuple(place for place, meter in enumerate(METERS) if meter.type == "cumulative")
GAUGES = tuple(place for place, meter in enumerate(METERS) if meter.type == "gauge")
SHAPES = (COUNTERS, GAUGES)  # apart, because only counters have a generation
KEYS = tuple(MeterKey(meter.name, meter.type, meter.unit, meter.is_real) for meter in METERS)
NONE = np.zeros(0, np.int64)


def visits_at(workload: Workload, poll: int) -> list[Visit]:
    """One cycle of the whole cloud, in the order the nodes deliver it."""
    return [(instance, poll) for members in workload.messages(poll) for instance in members]


def batch(workload: Workload, visits: Sequence[Visit]) -> SampleBatch:
    """These visits as the messages of their nodes, decoded and joined: names stand once in each message."""
    instances, polls = np.array(visits, np.int64).reshape(-1, 2).T
    ts = workload.times[instances, polls]
    # A node reads its instances at one moment, so a new moment is a new message.
    message = np.cumsum(np.diff(ts, prepend=ts[:1]) != 0)
    messages = int(message[-1]) + 1
    versions = [
        version
        for instance, poll in visits
        for version in _versions(workload, instance, int(workload.lives[instance, poll]))
    ]
    rows = np.repeat(np.arange(len(visits)), 2)
    return SampleBatch(
        [_resource(workload, instance) for instance, _ in visits],
        versions,
        KEYS * messages,
        [tuple(len(KEYS) * one + place for place in shape) for one in range(messages) for shape in SHAPES],
        Polled(
            rows,
            np.arange(len(versions)),
            np.repeat(2 * message, 2) + np.tile([0, 1], len(visits)),
            np.repeat(ts, 2),
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


def _resource(workload: Workload, instance: int) -> ResourceKey:
    return ResourceKey(project_name(workload.project_of(instance)), resource_name(instance))


def _versions(workload: Workload, instance: int, life: int) -> tuple[VersionKey, VersionKey]:
    return _versions_of(instance, life, workload.phases[instance][life])


@functools.lru_cache(maxsize=10_000)
def _versions_of(instance: int, life: int, phase: Phase) -> tuple[VersionKey, VersionKey]:
    """What counters and gauges of this life say beside their numbers."""
    body = json.dumps(metadata(instance, phase), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    user = user_name(instance)
    counters = VersionKey(user, DEFAULT_SOURCE, generation(instance, life), body)
    return counters, VersionKey(user, DEFAULT_SOURCE, None, body)


def _readings(workload: Workload, instances: Integers, polls: Integers) -> Integers:
    """Of each visit the counters, then the gauges."""
    columns = [workload.volumes[place][instances, polls] for shape in SHAPES for place in shape]
    return np.stack([column.view(np.int64) for column in columns], 1).ravel()  # of reals the bits
