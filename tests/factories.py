"""Samples for tests: say only what the test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.sample import Sample

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

CPU = Sample(
    "cpu",
    "cumulative",
    "ns",
    1_000_000_000,
    "instance-1",
    "project-a",
    NOW,
    user_id="user-1",
    metadata={"display_name": "web", "instance_type": "m1.small", "flavor": {"vcpus": 2}},
    generation="boot-1",
)
CPU_UTIL = Sample("cpu_util", "gauge", "%", 12.5, "instance-1", "project-a", NOW, user_id="user-1")


def sample(**changes: Any) -> Sample:  # Any: the fields of a sample
    """A CPU sample with changes."""
    return replace(CPU, **changes)


def series(count: int, *, step: timedelta = MINUTE, **changes: Any) -> list[Sample]:  # Any: as above
    """`count` CPU samples, `step` apart, oldest first, the volume one second more each time."""
    return [
        replace(CPU, timestamp=NOW + step * number, volume=(number + 1) * 1_000_000_000, **changes)
        for number in range(count)
    ]
