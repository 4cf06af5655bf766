"""However samples come, whoever transforms them and whenever it is killed: what is derived is the same."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from collector.metrics import CollectorMetrics
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Outlets, ToAll
from collector.parcels import samples_of
from collector.pipelines.derivation import Derivation, Pace, Store
from collector.pipelines.files import read_pipelines
from collector.pipelines.routing import DerivedOutlets
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.events import Events
from storage.ingest.batch import SampleBatch
from storage.intake import nothing_else
from storage.outgoing import Outgoing
from storage.query import EVERYTHING, SampleQuery, Stored
from storage.sample import Refused, Sample, SampleType, make_id
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.transforming import Transforming
from storage.window import Window
from tests.collector.pipelines import reference
from tests.collector.publishers.stubs import Stub
from tests.databases import sqlite_with_schema
from tests.factories import NOW

SECOND = timedelta(seconds=1)
CYCLE, SETTLE = 30 * SECOND, 60 * SECOND
RAW = {"cpu", "memory", "memory.usage", "requests"}
KINDS: Mapping[str, tuple[SampleType, str]] = {
    "cpu": ("cumulative", "ns"),
    "memory": ("gauge", "MB"),
    "memory.usage": ("gauge", "MB"),
    "requests": ("delta", "request"),
}
PIPELINES = r"""
sources:
- {name: cpu, meters: [cpu], sinks: [util, growth, later]}
- {name: memory, meters: ["memory*"], sinks: [bytes, share]}
- {name: some, meters: ["!cpu", "!memory"], sinks: [together, thousands]}
sinks:
- name: util
  publishers: [x]
  transformers:
  - name: rate_of_change
    parameters:
      target: {name: cpu_util, unit: "%", type: gauge, max: 100,
        scale: "100.0 / (10**9 * (resource_metadata.cpu_number or 1))"}
- name: growth
  publishers: [x]
  transformers: [{name: delta, parameters: {growth_only: true, target: {name: cpu.delta}}}]
- name: later
  publishers: [x]
  transformers:
  - {name: accumulator, parameters: {size: 4}}
  - {name: rate_of_change, parameters: {target: {name: cpu.rate, unit: ns/s, type: gauge}}}
- name: bytes
  publishers: [x]
  transformers:
  - name: unit_conversion
    parameters:
      source: {map_from: {name: "memory(.*)", unit: "M(B)"}}
      target: {map_to: {name: "bytes\\1", unit: "\\1"}, scale: 1048576}
- name: share
  publishers: [x]
  transformers:
  - {name: arithmetic, parameters: {target: {name: share, unit: "%", type: gauge,
      expr: "100 * $(memory.usage) / $(memory)"}}}
- name: together
  publishers: [x]
  transformers:
  - name: aggregator
    parameters: {size: 5, retention_time: 70, source: {map_from: {name: "(.+)"}}, target: {map_to: {name: "of.\\1"}}}
- name: thousands
  publishers: [x]
  transformers: [{name: unit_conversion, parameters: {target: {unit: krequest, scale: "volume / 1000"}}}]
"""


def sinks() -> list[tuple[set[str], list[reference.Transformer]]]:
    """The same, as plain functions."""

    def per_cpu(one: Sample) -> float:
        cpus = one.metadata["cpu_number"]
        assert isinstance(cpus, int)
        return 100 / (10**9 * cpus)

    def share(usage: float, memory: float) -> float:
        return 100 * usage / memory

    return [
        ({"cpu"}, [reference.Rate("cpu_util", "%", per_cpu, 100)]),
        ({"cpu"}, [reference.Growth("cpu.delta", growth_only=True)]),
        ({"cpu"}, [reference.Accumulate(4), reference.Rate("cpu.rate", "ns/s", lambda _: 1, float("inf"))]),
        ({"memory", "memory.usage"}, [reference.Convert(lambda one: {
            "meter": one.meter.replace("memory", "bytes", 1), "unit": "B", "volume": one.volume * 1048576})]),
        ({"memory", "memory.usage"}, [reference.Combine("share", "%", ["memory.usage", "memory"], share, CYCLE)]),
        ({"memory.usage", "requests"}, [reference.Aggregate(lambda name: f"of.{name}", 5, 70 * SECOND)]),
        ({"memory.usage", "requests"}, [reference.Convert(lambda one: {
            "unit": "krequest", "volume": one.volume / 1000})]),
    ]  # fmt: skip


class Killed(Exception):
    """The process ends here."""


class DyingWindow(Window):
    fault = ""

    def samples(self, wanted: Callable[[str], bool], start: datetime, end: datetime) -> list[Sample]:
        found = super().samples(wanted, start, end)
        if self.fault == "read":
            raise Killed
        return found


class DyingTransforming(Transforming):
    fault = ""

    def move(self, connection: Connection, *arguments: Any, **named: Any) -> None:  # Any: passed on
        super().move(connection, *arguments, **named)
        if self.fault == "before commit":
            raise Killed


class DyingSamples(Samples):
    fault = ""

    def store_batch(
        self,
        batch: SampleBatch,
        refused: Sequence[Refused] = (),
        *,
        received_at: datetime,
        beside: Callable[[Connection], None] = nothing_else,
    ) -> Stored:
        stored = super().store_batch(batch, refused, received_at=received_at, beside=beside)
        if self.fault == "after commit":
            raise Killed
        return stored


class Collector:
    """A collector that can be made to die in its next turn; then it begins anew."""

    def __init__(self, url: str, pipelines: Path) -> None:
        self.database = Database(DatabaseSettings(url=url))
        self._pipelines = pipelines
        self.begin()

    def begin(self) -> None:
        self.window, self.samples = DyingWindow(self.database), DyingSamples(self.database)
        self.transforming = DyingTransforming(self.database)
        metrics = CollectorMetrics(CollectorRegistry())
        keeper = DatabasePublisher(self.samples, metrics, Events(self.database))
        store = Store(self.window, self.samples, self.transforming, keeper)
        found = read_pipelines(self._pipelines, cycle_s=CYCLE.total_seconds())
        self.derivation = Derivation(found, store, queue_of(self.database), Pace(CYCLE, SETTLE))

    def turn(self, now: datetime, fault: str = "") -> None:
        for part in (self.window, self.samples, self.transforming):
            part.fault = fault
        try:
            while not self.derivation.turn(now, lambda: False).is_finished:
                pass
        except Killed:
            self.begin()


@dataclass(frozen=True)
class Arrival:
    sample: Sample
    after: timedelta


FAULTS = ["", "", "", "read", "before commit", "after commit"]


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    """A history, each sample once, and how long each takes to come."""
    keys = st.tuples(
        st.integers(0, 400),
        st.sampled_from(sorted(KINDS)),
        st.sampled_from(["vm-1", "vm-2", "vm-3"]),
        st.sampled_from(["project-a", None]),
    )
    found = []
    for second, meter, resource, project in draw(st.lists(keys, unique=True, min_size=5, max_size=60)):
        kind, unit = KINDS[meter]
        volume = draw(st.integers(0, 10**10 if meter == "cpu" else 50))
        identity = make_id(meter, resource, str(project), str(second)) if kind == "delta" else None
        sample = Sample(meter, kind, unit, volume if kind != "gauge" else float(volume), resource, project,
            NOW + second * SECOND, metadata={"cpu_number": 2, "second": second // 100}, id=identity)  # fmt: skip
        found.append(Arrival(sample, draw(st.integers(0, 59)) * SECOND))
    return found


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    arrivals(),
    st.lists(
        st.tuples(st.integers(1, 90), st.integers(0, 1), st.sampled_from(FAULTS)), min_size=3, max_size=20
    ),
)
def test_any_way_a_history_comes_about_gives_the_same_derived_samples(
    history: list[Arrival], turns: list[tuple[int, int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(PIPELINES)
        url = sqlite_with_schema(Path(folder))
        both = [Collector(url, file) for _ in range(2)]
        clock = NOW
        both[0].turn(clock)  # from here on samples are transformed
        waiting = sorted(history, key=lambda one: one.sample.timestamp + one.after)
        for seconds, who, fault in [*turns, *[(90, 0, "")] * 9]:
            clock += seconds * SECOND
            come = [one.sample for one in waiting if one.sample.timestamp + one.after <= clock]
            waiting = waiting[len(come) :]
            Samples(both[who].database).store(come, received_at=clock)
            both[who].turn(clock, fault)

        stored = both[0].samples.find(SampleQuery(EVERYTHING), 10_000)
        owed = owed_to("x", both[0].database)
        for one in both:
            one.database.dispose()

    expected = reference.run([one.sample for one in history], sinks(), NOW - SETTLE, CYCLE)
    assert not waiting
    kept = [one.sample for one in stored if one.sample.meter not in RAW]
    own = [one for one in expected if one.meter not in RAW]
    wanted = Counter(seen(one) for one in own if not is_doubled(one, own))
    found = Counter(map(seen, kept))
    assert (found - wanted, wanted - found) == (Counter(), Counter())
    assert Counter(map(seen, owed)) == Counter(map(seen, expected))


def queue_of(database: Database) -> DerivedOutlets:
    """The queue of a publisher x in this database."""
    registry = CollectorRegistry()
    outlets = Outlets(database, [Stub("x")], ToAll([]), OutletMetrics(registry), lambda: NOW)
    return DerivedOutlets(outlets, [], {"x": "x"})


def owed_to(name: str, database: Database) -> list[Sample]:
    """Everything that waits in a queue."""
    found: list[Sample] = []
    while batches := Outgoing(database).lease(name, NOW + SECOND, SECOND, pieces=10**6, size=10**9):
        found += [one for batch in batches for one in samples_of(batch.body).samples()]
    return found


def is_doubled(sample: Sample, others: Sequence[Sample]) -> bool:
    """Whether an earlier one is of the same meter, resource and time: it is the one that is kept."""

    def key(one: Sample) -> tuple[object, ...]:
        return one.meter, one.resource_id, one.project_id, one.timestamp

    return sample.type != "delta" and next(one for one in others if key(one) == key(sample)) is not sample


def seen(sample: Sample) -> tuple[str, ...]:
    """What is compared of a sample."""
    one = replace(sample, timestamp=sample.timestamp.astimezone(UTC))
    return (
        one.meter, one.type, one.unit, f"{one.volume:.9g}", one.resource_id, str(one.project_id),
        one.timestamp.isoformat(), str(sorted(one.metadata.items())),
    )  # fmt: skip
