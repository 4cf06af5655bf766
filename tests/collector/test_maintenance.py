"""The loop around maintenance: who works when, and what it says when it cannot."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from collector.maintenance import MaintenanceLoop, MaintenanceMetrics
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.settings import DatabaseSettings, MaintenanceSettings
from storage.upkeep.leases import Leases
from storage.upkeep.maintenance import Done, Stage
from tests.databases import sqlite_with_schema
from tests.factories import NOW


class Work:
    """Turns that the test decides on."""

    def __init__(self) -> None:
        self.damaged: list[str] = []
        self.turns: list[Callable[[], Done]] = []
        self.count = 0
        self.late = 0
        self.went_on = True

    def turn(self, now: datetime, stop: Callable[[], bool]) -> Done:
        self.count += 1
        done = self.turns.pop(0)() if self.turns else Done()
        self.went_on = not stop()
        return done

    def waiting(self) -> int:
        return self.late


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    yield Leases(database)
    database.dispose()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def work() -> Work:
    return Work()


def loop(
    work: Work, leases: Leases, registry: CollectorRegistry, clock: Clock, holder: str = "a"
) -> MaintenanceLoop:
    return MaintenanceLoop(
        work,
        leases,
        MaintenanceSettings(lease_s=60),
        MaintenanceMetrics(registry),
        holder=holder,
        clock=clock,
    )


def test_of_two_collectors_one_works_until_its_lease_ends(leases: Leases, work: Work) -> None:
    clock, stop, other = Clock(), threading.Event(), Work()
    mine = loop(work, leases, CollectorRegistry(), clock)
    theirs = loop(other, leases, CollectorRegistry(), clock, "b")

    mine.once(stop)
    theirs.once(stop)
    before = (work.count, other.count)
    clock.now += timedelta(seconds=60)
    theirs.once(stop)
    mine.once(stop)

    assert before == (1, 0)
    assert (work.count, other.count) == (1, 1)


def test_a_collector_that_is_told_to_stop_gives_its_lease_back(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    clock, stop = Clock(), threading.Event()

    def end() -> Done:
        stop.set()
        return Done()

    work.turns.append(end)
    loop(work, leases, registry, clock).run(stop)

    assert leases.take("maintenance", "b", NOW, timedelta(minutes=1))


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_long_turn_renews_its_lease_and_ends_when_it_lost_it(
    leases: Leases, work: Work, registry: CollectorRegistry, is_taken: bool
) -> None:
    clock = Clock()

    def slow() -> Done:
        clock.now += timedelta(minutes=5)
        if is_taken:
            leases.take("maintenance", "b", clock.now, timedelta(minutes=1))
        return Done()

    work.turns.append(slow)
    loop(work, leases, registry, clock).once(threading.Event())

    assert work.went_on is not is_taken
    assert leases.take("maintenance", "b", clock.now, timedelta(minutes=1)) is is_taken


def test_a_turn_ends_after_the_step_in_which_it_is_told_to(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    stop = threading.Event()
    stop.set()

    loop(work, leases, registry, Clock()).once(stop)

    assert not work.went_on


def test_a_database_that_is_away_is_said_once_and_so_is_its_return(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    clock, stop = Clock(), threading.Event()

    def away() -> Done:
        raise DatabaseUnavailable("gone")

    def back() -> Done:
        stop.set()
        return Done()

    work.turns += [away, away, back]
    one = MaintenanceLoop(
        work, leases, MaintenanceSettings(), MaintenanceMetrics(registry), holder="a", clock=clock
    )
    with capture_logs() as logged:
        waits = [one.wait_after(stop) for _ in range(3)]

    assert [line["event"] for line in logged] == ["maintenance_paused", "maintenance_resumed"]
    assert registry.get_sample_value("nephometer_maintenance_errors_total") == 2
    assert waits[0] < waits[1] < 30 == waits[2]


def test_a_bug_does_not_end_the_loop(leases: Leases, work: Work, registry: CollectorRegistry) -> None:
    def broken() -> Done:
        raise KeyError("bug")

    work.turns += [broken, broken]
    one = loop(work, leases, registry, Clock())
    with capture_logs() as logged:
        one.wait_after(threading.Event())
        one.wait_after(threading.Event())

    assert [line["event"] for line in logged] == ["maintenance_failed"]


def test_a_damaged_tile_is_said_once_and_so_is_its_repair(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    one = loop(work, leases, registry, Clock())
    with capture_logs() as logged:
        for damaged in ([], ["day_tile of group 1"], ["day_tile of group 1"], []):
            work.damaged = list(damaged)
            one.once(threading.Event())

    assert [(line["event"], line["tile"]) for line in logged] == [
        ("tile_damaged", "day_tile of group 1"),
        ("tile_readable_again", "day_tile of group 1"),
    ]
    assert registry.get_sample_value("nephometer_maintenance_damaged_tiles") == 0


def test_what_was_done_is_counted_and_more_of_it_comes_at_once(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    done = Done()
    done.amounts[Stage.SEAL] = 5
    work.turns.append(lambda: done)
    work.late = 3
    one = loop(work, leases, registry, Clock())

    wait = one.wait_after(threading.Event())

    assert wait == 30
    assert registry.get_sample_value("nephometer_maintenance_readings_sealed_total") == 5
    assert registry.get_sample_value("nephometer_maintenance_late_rows") == 3
    assert (
        registry.get_sample_value("nephometer_maintenance_last_success_timestamp_seconds") == NOW.timestamp()
    )
