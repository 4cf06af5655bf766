"""The reference of meters is what the code does, no more and no less."""

import re
from dataclasses import replace
from pathlib import Path

import agent
from agent.pollsters import catalog
from agent.pollsters.host_cpu import HostCpu
from agent.reading import CpuTimes, HostReading
from storage.sample import Sample
from tests.agent.pretend import HOST, MOUNT, NOW, WEB, instances_of, make_domain, recorded_stats

REFERENCE = Path(agent.__file__).parents[1] / "docs" / "reference" / "meters.md"
ROW = re.compile(
    r"^\| `(?P<meter>[^`]+)` \| (?P<type>\w+) \| (?P<unit>[^|]*) \| `(?P<pollster>\w+)` \|", re.M
)


def everything() -> dict[str, list[Sample]]:
    """The samples of each pollster on a node and a guest that tell all they can."""
    balloon = {"available": 60000, "usable": 20000, "swap_in": 1, "swap_out": 1}
    stats = recorded_stats("running", WEB) | {f"balloon.{key}": value for key, value in balloon.items()}
    guests = instances_of(make_domain(stats))
    warm = HostCpu()
    list(warm.poll(_zeroed(), NOW))
    found = {pollster.name: list(pollster().poll(HOST, NOW)) for pollster in catalog.HOST}
    found["host_cpu"] = list(warm.poll(HOST, NOW))
    found |= {pollster.name: list(pollster().poll([MOUNT], NOW)) for pollster in catalog.MOUNTS}
    found |= {pollster.name: list(pollster().poll(guests, NOW)) for pollster in catalog.INSTANCES}
    return found


def _zeroed() -> HostReading:
    return replace(HOST, cpu=CpuTimes(0, 0, 0, 0, 0, 0, 0, 0))


def test_the_reference_lists_exactly_the_meters_the_agent_makes() -> None:
    made = {
        (sample.meter, sample.type, sample.unit or "–", pollster)
        for pollster, samples in everything().items()
        for sample in samples
    }
    written = {
        (row["meter"], row["type"], row["unit"].strip(), row["pollster"])
        for row in ROW.finditer(REFERENCE.read_text(encoding="utf-8"))
    }

    assert written == made


def test_every_pollster_of_the_catalogue_makes_something() -> None:
    assert {pollster for pollster, samples in everything().items() if samples} == set(catalog.NAMES)


def test_a_meter_is_always_whole_or_always_real() -> None:
    kinds: dict[str, set[type]] = {}
    for samples in everything().values():
        for sample in samples:
            kinds.setdefault(sample.meter, set()).add(type(sample.volume))

    assert all(len(kind) == 1 for kind in kinds.values())
    real = {meter for meter, kind in kinds.items() if kind == {float}}
    assert real == {
        "hardware.cpu.util",
        *(f"hardware.cpu.load.{span}min" for span in (1, 5, 15)),
        *(f"memory.{what}" for what in ("usage", "available", "resident", "swap.in", "swap.out")),
    }


def test_counters_carry_a_generation_and_gauges_none() -> None:
    samples = [sample for samples in everything().values() for sample in samples]

    assert all((sample.generation is not None) == (sample.type == "cumulative") for sample in samples)
