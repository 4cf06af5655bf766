"""Transformers at work on a store: what people expect of the pipelines they have."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from collector.metrics import CollectorMetrics
from collector.pipelines.derivation import Derivation, Pace, Store, Turn
from collector.pipelines.files import read_pipelines
from collector.pipelines.loop import DerivationMetrics, derivation_loop
from collector.pipelines.routing import NoOutlets
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.events import Events
from storage.intake import Beside
from storage.query import EVERYTHING, SampleQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.transforming import Overtaken, Transforming
from storage.upkeep.leases import Leases
from storage.window import Window
from tests.factories import MINUTE, NOW, sample, series

ROCKY = Path(__file__).parent / "rocky.yaml"
CYCLE, SETTLE = timedelta(seconds=30), timedelta(seconds=60)
HEAD = "sources: [{name: a, meters: [cpu], sinks: [s]}]\n"


class Outlets:
    def __init__(self) -> None:
        self.offered: list[tuple[list[str], Sample]] = []

    def promise(self, derived: Iterable[tuple[Sequence[str], Sequence[Sample]]]) -> Beside:
        """Offers them when the transaction is written, without looking whether it is committed."""
        return lambda _: self.offered.extend((list(to), one) for to, made in derived for one in made)

    def wake(self) -> None: ...


def derivation(
    database: Database, file: Path = ROCKY, outlets: Outlets | None = None, samples: Samples | None = None
) -> Derivation:
    samples = samples or Samples(database)
    keeper = DatabasePublisher(samples, CollectorMetrics(CollectorRegistry()), Events(database))
    store = Store(Window(database), samples, Transforming(database), keeper)
    return Derivation(read_pipelines(file), store, outlets or NoOutlets(), Pace(CYCLE, SETTLE))


def never() -> bool:
    return False


def found(database: Database, meter: str) -> list[Sample]:
    """Samples of a meter, oldest first."""
    stored = Samples(database).find(SampleQuery(EVERYTHING, meter=meter), 1000)
    return [one.sample for one in stored][::-1]


def test_the_default_sinks_of_rocky_make_rates_as_they_always_did(database: Database) -> None:
    outlets = Outlets()
    work = derivation(database, outlets=outlets)
    work.turn(NOW, never)
    cpu = series(4, metadata={"cpu_number": 2})
    disk = series(3, meter="disk.device.read.bytes", unit="B", resource_id="vm-vda")
    net = series(2, meter="network.outgoing.packets", unit="packet", resource_id="vm-tap")
    Samples(database).store([*cpu, *disk, *net], received_at=NOW)

    turn = work.turn(NOW + 6 * MINUTE, never)

    assert (turn.read, turn.derived, turn.is_finished) == (9, 9, True)
    util = found(database, "cpu_util")
    assert [one.volume for one in util] == [pytest.approx(100 / 120)] * 3
    assert {(one.unit, one.type) for one in util} == {("%", "gauge")}
    assert [one.timestamp for one in util] == [one.timestamp for one in cpu[1:]]
    assert (util[0].resource_id, util[0].project_id, util[0].user_id) == ("instance-1", "project-a", "user-1")
    assert [one.volume for one in found(database, "cpu.delta")] == [10**9] * 3
    rates = found(database, "disk.device.read.bytes.rate")
    assert [one.volume for one in rates] == [pytest.approx(10**9 / 60)] * 2
    assert {one.unit for one in rates} == {"B/s"}
    assert [one.unit for one in found(database, "network.outgoing.packets.rate")] == ["packet/s"]
    assert {urls[0] for urls, _ in outlets.offered} == {"gnocchi://"}


def test_what_was_derived_is_not_derived_from_again(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources: [{name: a, meters: ['*'], sinks: [s]}]\n"
        "sinks: [{name: s, publishers: [x], transformers: [{name: unit_conversion, parameters:"
        " {source: {map_from: {name: '(.+)'}}, target: {map_to: {name: '\\1.half'}, scale: 0.5}}}]}]"
    )
    work = derivation(database, file)
    work.turn(NOW, never)
    Samples(database).store(series(2), received_at=NOW)
    for minutes in range(3, 9):
        work.turn(NOW + minutes * MINUTE, never)

    assert [one.volume for one in found(database, "cpu.half")] == [5 * 10**8, 10**9]
    assert found(database, "cpu.half.half") == []


def test_what_keeps_its_name_goes_to_publishers_and_not_over_what_was_measured(
    database: Database, tmp_path: Path
) -> None:
    file, outlets = tmp_path / "pipeline.yaml", Outlets()
    file.write_text(
        HEAD + "sinks: [{name: s, publishers: [x], transformers: [{name: unit_conversion, parameters:"
        " {target: {unit: sec, scale: 0.000000001}}}]}]"
    )
    work = derivation(database, file, outlets)
    work.turn(NOW, never)
    Samples(database).store(series(1), received_at=NOW)

    work.turn(NOW + 3 * MINUTE, never)

    assert [(one.volume, one.unit) for one in found(database, "cpu")] == [(10**9, "ns")]
    assert [(one.volume, one.unit) for _, one in outlets.offered] == [(1.0, "sec")]


def test_a_counter_that_went_down_began_anew(database: Database) -> None:
    work = derivation(database)
    work.turn(NOW, never)
    Samples(database).store(
        [sample(volume=5 * 10**9), sample(volume=6 * 10**9, timestamp=NOW + MINUTE)], received_at=NOW
    )
    work.turn(NOW + 3 * MINUTE, never)
    Samples(database).store([sample(volume=3 * 10**9, timestamp=NOW + 4 * MINUTE)], received_at=NOW)

    work.turn(NOW + 6 * MINUTE, never)

    assert [one.volume for one in found(database, "cpu_util")] == [
        pytest.approx(100 / 60),
        pytest.approx(100 * 3 / 180),
    ]
    assert [one.volume for one in found(database, "cpu.delta")] == [10**9]


def test_the_resources_of_two_projects_do_not_mix_whatever_they_are_called(database: Database) -> None:
    work = derivation(database)
    work.turn(NOW, never)
    mine = [sample(timestamp=NOW + number * MINUTE, volume=number) for number in range(2)]
    others = [sample(timestamp=NOW + MINUTE / 2, volume=10**12, project_id="other")]
    Samples(database).store([*mine, *others], received_at=NOW)

    work.turn(NOW + 3 * MINUTE, never)

    assert [(one.project_id, one.volume) for one in found(database, "cpu.delta")] == [("project-a", 1)]


def test_a_changed_sink_begins_anew_and_the_others_go_on(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(ROCKY.read_text())
    work = derivation(database, file)
    work.turn(NOW, never)
    Samples(database).store(series(1), received_at=NOW)
    work.turn(NOW + 2 * MINUTE, never)
    file.write_text(ROCKY.read_text().replace("cpu_util", "cpu.util"))
    Samples(database).store([sample(timestamp=NOW + 2 * MINUTE, volume=4 * 10**9)], received_at=NOW)

    derivation(database, file).turn(NOW + 4 * MINUTE, never)

    assert found(database, "cpu.util") == []
    assert [one.volume for one in found(database, "cpu.delta")] == [3 * 10**9]


def test_samples_that_cannot_be_worked_out_are_counted_and_said_once(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        HEAD + "sinks: [{name: s, publishers: [x], transformers: [{name: unit_conversion, parameters:"
        " {target: {name: odd, scale: 'volume / resource_metadata.missing'}}}]}]"
    )
    work = derivation(database, file)
    work.turn(NOW, never)
    Samples(database).store(series(8), received_at=NOW)

    with capture_logs() as logs:
        turn = work.turn(NOW + 20 * MINUTE, never)

    assert turn.dropped == {"s": 8}
    assert [line["reason"] for line in logs if line["event"] == "pipeline_drops_samples"] == [
        "volume / resource_metadata.missing: a value is missing"
    ]


def test_a_backlog_is_worked_off_in_steps_that_can_be_interrupted(database: Database) -> None:
    work = derivation(database)
    work.turn(NOW, never)
    Samples(database).store(series(100), received_at=NOW)
    stops = iter([False, False, True])

    first = work.turn(NOW + 120 * MINUTE, lambda: next(stops))
    rest = derivation(database).turn(NOW + 120 * MINUTE, never)

    assert (first.is_finished, rest.is_finished) == (False, True)
    assert first.read + rest.read == 100
    assert len(found(database, "cpu_util")) == 99


def test_what_two_do_at_once_is_done_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = derivation(database), derivation(database)
    one.turn(NOW, never)
    Samples(database).store(series(3), received_at=NOW)
    read = Window.samples

    def slowly(window: Window, *arguments: Any) -> list[Sample]:  # Any: passed on
        monkeypatch.setattr(Window, "samples", read)
        other.turn(NOW + 5 * MINUTE, never)
        return read(window, *arguments)

    monkeypatch.setattr(Window, "samples", slowly)

    with pytest.raises(Overtaken):
        one.turn(NOW + 5 * MINUTE, never)

    assert len(found(database, "cpu_util")) == 2


def test_what_is_remembered_of_resources_that_are_gone_is_forgotten(database: Database) -> None:
    work, transforming = derivation(database), Transforming(database)
    work.turn(NOW, never)
    Samples(database).store(series(1), received_at=NOW)
    work.turn(NOW + 5 * MINUTE, never)

    counts = [transforming.tidy(NOW + minutes * MINUTE) for minutes in (0, 5)]

    assert counts == [0, 2]  # of two sinks
    Samples(database).store([sample(timestamp=NOW + 6 * MINUTE, volume=10**10)], received_at=NOW)
    work.turn(NOW + 9 * MINUTE, never)
    assert found(database, "cpu.delta") == []


def test_the_loop_works_while_it_has_the_lease(database: Database) -> None:
    clock = NOW
    registry = CollectorRegistry()
    loops = [
        derivation_loop(
            derivation(database), Leases(database), DerivationMetrics(registry if at == 0 else CollectorRegistry()),
            cycle=CYCLE, holder=f"collector-{at}", clock=lambda: clock,
        )
        for at in range(2)
    ]  # fmt: skip
    stop = threading.Event()
    loops[0].wait_after(stop)
    Samples(database).store(series(3), received_at=NOW)
    clock = NOW + timedelta(seconds=50)

    waits = [loop.wait_after(stop) for loop in loops]
    clock = NOW + 5 * MINUTE
    waits += [loop.wait_after(stop) for loop in loops]

    assert waits == [5.0] * 4
    assert registry.get_sample_value("nephometer_pipeline_samples_read_total") == 3
    assert registry.get_sample_value("nephometer_pipeline_samples_derived_total") == 4
    position = registry.get_sample_value("nephometer_pipeline_position_timestamp_seconds")
    assert position == (NOW + 4 * MINUTE).timestamp()


def test_a_loop_without_its_database_says_so_and_counts_it(database: Database) -> None:
    registry = CollectorRegistry()

    class Away:
        def turn(self, now: datetime, stop: Callable[[], bool]) -> Turn:
            raise DatabaseUnavailable("gone")

    loop = derivation_loop(
        Away(), Leases(database), DerivationMetrics(registry), cycle=CYCLE, holder="a", clock=lambda: NOW
    )
    with capture_logs() as logged:
        loop.wait_after(threading.Event())

    assert [line["event"] for line in logged] == ["pipelines_paused"]
    assert registry.get_sample_value("nephometer_pipeline_errors_total") == 1
