"""What each transformer makes of samples, parameter by parameter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from collector.pipelines.files import Sink
from collector.pipelines.line import Line
from collector.pipelines.memory import Memory
from collector.pipelines.parameters import read_step
from storage.sample import Sample, to_microseconds
from tests.factories import CPU, CPU_UTIL, NOW

SECOND = timedelta(seconds=1)
END = to_microseconds(NOW) + 60_000_000
MEMORY = Sample("memory.usage", "gauge", "MB", 100.0, "vm", "project-a", NOW, user_id="u", metadata={"n": 1})
REQUESTS = Sample("requests", "delta", "request", 3, "vm", "project-a", NOW, user_id="u", id=b"1" * 16)


def run(samples: Sequence[Sample], name: str, **parameters: Any) -> list[Sample]:  # Any: as YAML has them
    """What comes out by the end of the first cycle."""
    line = Line(Sink("s", (read_step(name, parameters, 60),), ()), Memory({}))
    return line.run(sorted(samples, key=lambda one: one.timestamp), [END], NOW)


def later(sample: Sample, seconds: int, **changes: Any) -> Sample:  # Any: the fields of a sample
    return replace(sample, timestamp=sample.timestamp + seconds * SECOND, **changes)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"target": {"name": "x", "unit": "B", "scale": 1048576}}, ("x", "B", "gauge", 104857600)),
        (
            {"target": {"scale": "volume * resource_metadata.n + 1", "max": 50}},
            ("memory.usage", "MB", "gauge", 50),
        ),
        ({"target": {"unit": "GB"}, "source": {"unit": "KB"}}, ("memory.usage", "MB", "gauge", 100)),
        (
            {"source": {"map_from": {"name": r"memory\.(.*)"}}, "target": {"map_to": {"name": r"mem.\1"}}},
            ("mem.usage", "MB", "gauge", 100),
        ),
        (
            {"source": {"map_from": {"name": "disk"}}, "target": {"map_to": {"name": "x"}, "name": "unused"}},
            ("memory.usage", "MB", "gauge", 100),
        ),
    ],
)
def test_unit_conversion(parameters: dict[str, Any], expected: tuple[object, ...]) -> None:
    (found,) = run([MEMORY], "unit_conversion", **parameters)

    assert (found.meter, found.unit, found.type, found.volume) == expected
    assert (found.resource_id, found.user_id, found.metadata) == ("vm", "u", {"n": 1})


def test_a_number_as_scale_of_a_rate_is_only_a_factor() -> None:
    (found,) = run(
        [CPU, later(CPU, 10, volume=CPU.volume + 50)], "rate_of_change", target={"name": "r", "scale": 8}
    )

    assert (found.volume, found.type, found.generation) == (40.0, "gauge", None)


def test_a_gauge_may_fall_and_its_rate_is_negative() -> None:
    (found,) = run([MEMORY, later(MEMORY, 10, volume=50.0)], "rate_of_change", target={"name": "r"})

    assert found.volume == -5.0


def test_delta_keeps_decreases_of_gauges_unless_growth_is_asked_for() -> None:
    history = [MEMORY, later(MEMORY, 10, volume=150.0), later(MEMORY, 20, volume=40.0)]

    growth = run(history, "delta", target={"name": "d"}, growth_only=True)

    assert [(one.meter, one.type, one.volume, one.unit) for one in growth] == [("d", "delta", 50.0, "MB")]
    assert growth[0].id is not None
    again = run(history, "delta", target={"name": "d"}, growth_only=True)
    assert again[0].id == growth[0].id


@pytest.mark.parametrize(
    ("sample", "volumes", "result"),
    [(MEMORY, (1.0, 2.0, 6.0), 3.0), (REQUESTS, (1, 2, 6), 9), (CPU, (1, 2, 6), 6)],
)
def test_the_aggregator_knows_types(sample: Sample, volumes: Sequence[float], result: float) -> None:
    history = [later(sample, place, volume=volume) for place, volume in enumerate(volumes)]
    history = [replace(one, id=bytes([at] * 16)) if one.id else one for at, one in enumerate(history)]

    (found,) = run(history, "aggregator", size=3)

    assert (found.volume, found.type, found.timestamp) == (result, sample.type, NOW)


def test_the_aggregator_waits_until_there_is_enough() -> None:
    history = [later(MEMORY, place) for place in range(3)]

    assert run(history, "aggregator", size=4) == []
    assert run(history, "aggregator", size=None, retention_time=60) == []
    assert len(run(history, "aggregator", size="10", retention_time="59")) == 1
    assert len(run([*history, later(MEMORY, 4, resource_id="other")], "aggregator", size=4)) == 2


def test_the_aggregator_keeps_what_its_policies_say() -> None:
    history = [MEMORY, later(MEMORY, 5, user_id="v", metadata={"n": 2})]

    assert len(run(history, "aggregator", size=2)) == 2
    (first,) = run(history, "aggregator", size=2, user_id="first", resource_metadata="first")
    (last,) = run(history, "aggregator", size=2, user_id="last", timestamp="last")
    (dropped,) = run(
        history, "aggregator", size=2, user_id="last", resource_metadata="drop", target={"name": "x"}
    )

    assert (first.user_id, first.metadata, first.timestamp) == ("u", {"n": 1}, NOW)
    assert (last.user_id, last.metadata, last.timestamp) == ("v", {"n": 2}, NOW + 5 * SECOND)
    assert (dropped.meter, dropped.metadata, dropped.volume) == ("x", {}, 100.0)


def test_the_accumulator_passes_everything_on_at_once() -> None:
    history = [later(MEMORY, place) for place in range(3)]

    assert run(history, "accumulator", size=4) == []
    assert run(history, "accumulator", size=3) == history
    assert run(history, "accumulator", size=0) == history


def test_arithmetic_reckons_with_samples_and_their_metadata() -> None:
    other = replace(MEMORY, meter="memory", volume=200.0, timestamp=NOW + 7 * SECOND, metadata={"n": 4})

    (found,) = run(
        [MEMORY, other, CPU_UTIL],
        "arithmetic",
        target={
            "name": "y",
            "unit": "%",
            "expr": "$(memory.usage) * $(memory).resource_metadata.n / $(memory).volume",
        },
    )

    assert (found.meter, found.unit, found.volume) == ("y", "%", 2.0)
    assert (found.timestamp, found.metadata, found.user_id) == (other.timestamp, {"n": 1}, "u")


def test_arithmetic_takes_the_newest_of_each_operand_and_wants_them_all() -> None:
    target = {"name": "y", "expr": "$(memory.usage) + $(memory)"}
    memory = replace(MEMORY, meter="memory", volume=1.0)

    assert run([MEMORY, later(MEMORY, 3)], "arithmetic", target=target) == []
    assert run([MEMORY, replace(memory, resource_id="other")], "arithmetic", target=target) == []
    (found,) = run([MEMORY, memory, later(MEMORY, 3, volume=7.0)], "arithmetic", target=target)
    assert found.volume == 8.0


def test_what_no_sample_may_be_is_dropped_with_its_reason() -> None:
    line = Line(Sink("s", (read_step("delta", {"target": {"name": "d"}}, 60),), ()), Memory({}))

    assert line.run([MEMORY, later(MEMORY, 1, volume=1.0)], [END], NOW) == []
    assert dict(line.dropped) == {"volume of a delta meter is negative": 1}
