"""What every system must answer, computed by numpy on the workload's own arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.rows import WrongAnswer
from bench.workload import FLAVORS, HOUR, METERS, Integers, Volumes, Workload

TOLERANCE = 1e-9  # of peers that add in float64; integers of ours have to be exact


@dataclass(frozen=True, slots=True)
class Figures:
    """Count, sum, least and greatest of some readings."""

    count: int
    total: float
    minimum: float
    maximum: float


# Figures of each group (instance or project) and hour (microseconds; 0 when the whole time is one).
Answer = Mapping[tuple[int, int], Figures]


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of the answer to a question about raw samples."""

    instance: int
    meter: int
    at: int
    volume: float


def rounded(readings: Sequence[Reading]) -> list[Reading]:
    """The readings as float64, which is what rows and /v2 can say."""
    return [replace(reading, volume=float(reading.volume)) for reading in readings]


def by_instance_and_hour(
    workload: Workload, meter: int, instances: Sequence[int]
) -> dict[tuple[int, int], Figures]:
    """Figures of each of these instances in each hour since the workload's beginning."""
    answer: dict[tuple[int, int], Figures] = {}
    for instance in instances:
        hours = (workload.times[instance] - workload.begin) // HOUR
        starts = np.flatnonzero(np.diff(hours, prepend=-1))
        for first, last in zip(starts, [*starts[1:], len(hours)], strict=True):
            start = workload.begin + int(hours[first]) * HOUR
            answer[instance, start] = _figures(workload.volumes[meter][instance, first:last])
    return answer


def by_project(workload: Workload, meter: int) -> dict[tuple[int, int], Figures]:
    """Figures of each project over the whole time."""
    return {
        (project, 0): _figures(workload.volumes[meter][list(workload.members(project))])
        for project in range(workload.projects)
    }


def newest(
    workload: Workload,
    meters: Sequence[int],
    instances: Sequence[int],
    *,
    since: int = 0,
    flavor: int | None = None,
) -> list[Reading]:
    """The readings of these meters and instances since a moment, newest first; equal times as they come."""
    found: list[Reading] = []
    for instance in instances:
        chosen = workload.times[instance] >= since
        if flavor is not None:
            flavors = np.array([phase.flavor for phase in workload.phases[instance]])
            chosen &= flavors[workload.lives[instance]] == flavor
        for poll in np.flatnonzero(chosen):
            at = int(workload.times[instance, poll])
            found += [
                Reading(instance, meter, at, workload.volumes[meter][instance, poll].item())
                for meter in meters
            ]
    return sorted(found, key=lambda reading: -reading.at)


def check(what: str, answer: Answer, truth: Answer, *, exact: bool) -> None:
    """Raises WrongAnswer unless they are equal: to the last bit for `exact`, else nearly."""
    if answer.keys() != truth.keys():
        missing, more = len(truth.keys() - answer.keys()), len(answer.keys() - truth.keys())
        raise WrongAnswer(f"{what}: {missing} groups missing, {more} too many")
    for key, right in truth.items():
        if not _same(answer[key], right, exact=exact):
            raise WrongAnswer(f"{what}: {key}: {answer[key]} instead of {right}")


def check_readings(what: str, answer: Sequence[Reading], truth: Sequence[Reading]) -> None:
    """Raises WrongAnswer unless the answer is the newest of the truth, equal times in any order."""
    newest_of = truth[: len(answer)]
    if [reading.at for reading in answer] != [reading.at for reading in newest_of]:
        raise WrongAnswer(f"{what}: other times than expected")
    strangers = set(answer) - set(truth)
    if strangers or len(set(answer)) != len(answer):
        raise WrongAnswer(f"{what}: twice or never sent: {list(strangers)[:3]}")


def check_count(what: str, answer: int, truth: int) -> None:
    """Raises WrongAnswer unless they are the same."""
    if answer != truth:
        raise WrongAnswer(f"{what}: {answer} instead of {truth}")


def is_exact(meter: int) -> bool:
    """Whether answers about a meter have no rounding to excuse them."""
    return not METERS[meter].is_real


def common_flavor(workload: Workload, instances: Sequence[int]) -> int:
    """The flavour most of these instances ended with."""
    counts = [0] * len(FLAVORS)
    for instance in instances:
        counts[workload.phases[instance][-1].flavor] += 1
    return counts.index(max(counts))


def _figures(volumes: Volumes) -> Figures:
    total = _exact_total(volumes) if volumes.dtype == np.int64 else math.fsum(volumes.ravel())
    return Figures(volumes.size, total, volumes.min().item(), volumes.max().item())


def _exact_total(volumes: Integers) -> int:
    """The sum of any number of int64, which an int64 may not hold."""
    high, low = volumes >> 32, volumes & 0xFFFFFFFF
    return (int(high.sum()) << 32) + int(low.sum())


def _same(answer: Figures, right: Figures, *, exact: bool) -> bool:
    if exact:
        return answer == right
    return answer.count == right.count and all(
        math.isclose(got, want, rel_tol=TOLERANCE)
        for got, want in (
            (answer.total, right.total),
            (answer.minimum, right.minimum),
            (answer.maximum, right.maximum),
        )
    )
