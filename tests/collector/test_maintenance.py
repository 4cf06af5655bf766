"""The loop around maintenance: what it counts and says."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from collector.leased import LeasedLoop
from collector.maintenance import MaintenanceMetrics, maintenance_loop
from storage.settings import MaintenanceSettings
from storage.upkeep.leases import Leases
from storage.upkeep.maintenance import Done, Stage
from tests.factories import NOW


class Work:
    """Turns that the test decides on."""

    def __init__(self) -> None:
        self.damaged: list[str] = []
        self.turns: list[Callable[[], Done]] = []
        self.late = 0

    def turn(self, now: datetime, stop: Callable[[], bool]) -> Done:
        return self.turns.pop(0)() if self.turns else Done()

    def waiting(self) -> int:
        return self.late


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def work() -> Work:
    return Work()


def loop(work: Work, leases: Leases, registry: CollectorRegistry) -> LeasedLoop:
    settings, metrics = MaintenanceSettings(lease_s=60), MaintenanceMetrics(registry)
    return maintenance_loop(work, leases, settings, metrics, holder="a", clock=lambda: NOW)


def test_a_collector_that_is_told_to_stop_gives_its_lease_back(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    stop = threading.Event()

    def end() -> Done:
        stop.set()
        return Done()

    work.turns.append(end)
    loop(work, leases, registry).run(stop)

    assert leases.take("maintenance", "b", NOW, timedelta(minutes=1))


def test_a_bug_does_not_end_the_loop(leases: Leases, work: Work, registry: CollectorRegistry) -> None:
    def broken() -> Done:
        raise KeyError("bug")

    work.turns += [broken, broken]
    one = loop(work, leases, registry)
    with capture_logs() as logged:
        one.wait_after(threading.Event())
        one.wait_after(threading.Event())

    assert [line["event"] for line in logged] == ["maintenance_failed"]
    assert registry.get_sample_value("nephometer_maintenance_errors_total") == 2


def test_a_damaged_tile_is_said_once_and_so_is_its_repair(
    leases: Leases, work: Work, registry: CollectorRegistry
) -> None:
    one = loop(work, leases, registry)
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
    one = loop(work, leases, registry)

    wait = one.wait_after(threading.Event())

    assert wait == 30
    assert registry.get_sample_value("nephometer_maintenance_readings_sealed_total") == 5
    assert registry.get_sample_value("nephometer_maintenance_late_rows") == 3
    assert (
        registry.get_sample_value("nephometer_maintenance_last_success_timestamp_seconds") == NOW.timestamp()
    )
