"""The loop around leased work: who works when, and what it says when it cannot."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from collector.errors import PublisherUnavailable
from collector.guard import Guard, Words
from collector.leased import Lease, LeasedLoop
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.settings import DatabaseSettings
from storage.upkeep.leases import Leases
from tests.factories import NOW

LENGTH = timedelta(seconds=60)
PAUSE_S = 30.0


class Work:
    """Turns that the test decides on."""

    def __init__(self, *turns: Callable[[], bool]) -> None:
        self.turns = list(turns)
        self.count = 0
        self.went_on = True

    def turn(self, now: datetime, stop: Callable[[], bool]) -> bool:
        self.count += 1
        is_more = self.turns.pop(0)() if self.turns else False
        self.went_on = not stop()
        return is_more


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def loop(
    work: Work,
    leases: Leases,
    clock: Clock,
    *,
    holder: str = "a",
    registry: CollectorRegistry | None = None,
) -> LeasedLoop:
    errors = Counter("errors", "Turns that failed", registry=registry)
    guard = Guard(Words("work_paused", "work_failed", "work_resumed"), errors)
    return LeasedLoop(work, Lease(leases, "work", holder, LENGTH), guard, pause_s=PAUSE_S, clock=clock)


def raising(error: Exception) -> Callable[[], bool]:
    def turn() -> bool:
        raise error

    return turn


def test_of_two_processes_one_works_until_its_lease_ends(leases: Leases, clock: Clock) -> None:
    stop, work, other = threading.Event(), Work(), Work()
    mine, theirs = loop(work, leases, clock), loop(other, leases, clock, holder="b")

    mine.once(stop)
    theirs.once(stop)
    before = (work.count, other.count)
    clock.now += LENGTH
    theirs.once(stop)
    mine.once(stop)

    assert before == (1, 0)
    assert (work.count, other.count) == (1, 1)


def test_a_process_that_is_told_to_stop_gives_its_lease_back(leases: Leases, clock: Clock) -> None:
    stop = threading.Event()

    def end() -> bool:
        stop.set()
        return False

    loop(Work(end), leases, clock).run(stop)

    assert leases.take("work", "b", NOW, LENGTH)


def test_a_process_ends_even_where_its_lease_cannot_be_given_back(tmp_path: Path, clock: Clock) -> None:
    stop = threading.Event()
    stop.set()
    database = Database(DatabaseSettings(url=f"sqlite:///{tmp_path}/without-tables.db"))

    with capture_logs() as logged:
        loop(Work(), Leases(database), clock).run(stop)

    database.dispose()
    assert [line["event"] for line in logged] == ["lease_not_released"]


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_long_turn_renews_its_lease_and_ends_when_it_lost_it(
    leases: Leases, clock: Clock, is_taken: bool
) -> None:
    def slow() -> bool:
        clock.now += 5 * LENGTH
        if is_taken:
            leases.take("work", "b", clock.now, LENGTH)
        return False

    work = Work(slow)
    loop(work, leases, clock).once(threading.Event())

    assert work.went_on is not is_taken
    assert leases.take("work", "b", clock.now, LENGTH) is is_taken


def test_a_lease_that_was_just_taken_is_not_asked_for_again(leases: Leases, clock: Clock) -> None:
    work = Work()
    one = loop(work, leases, clock)
    one.once(threading.Event())
    leases.release("work", "a")  # unseen until half of it is over

    clock.now += LENGTH / 2 - timedelta(seconds=1)
    one.once(threading.Event())
    was_free = leases.take("work", "b", clock.now, LENGTH)
    clock.now += timedelta(seconds=1)
    one.once(threading.Event())

    assert was_free
    assert work.count == 2


def test_a_turn_ends_after_the_step_in_which_it_is_told_to(leases: Leases, clock: Clock) -> None:
    stop, work = threading.Event(), Work()
    stop.set()

    loop(work, leases, clock).once(stop)

    assert not work.went_on


@pytest.mark.parametrize("error", [DatabaseUnavailable("gone"), PublisherUnavailable("gone")])
def test_what_is_away_is_said_once_and_so_is_its_return(
    leases: Leases, clock: Clock, registry: CollectorRegistry, error: Exception
) -> None:
    away = raising(error)
    one = loop(Work(away, away, lambda: False, away), leases, clock, registry=registry)

    with capture_logs() as logged:
        waits = [one.wait_after(threading.Event()) for _ in range(4)]

    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("work_paused", "warning"),
        ("work_resumed", "info"),
        ("work_paused", "warning"),
    ]
    assert logged[0]["error"] == "gone"
    assert registry.get_sample_value("errors_total") == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2 < PAUSE_S == waits[2]
    assert waits[3] <= 1


def test_more_of_the_work_comes_at_once(leases: Leases, clock: Clock) -> None:
    one = loop(Work(lambda: True), leases, clock)

    waits = [one.wait_after(threading.Event()) for _ in range(2)]

    assert waits == [0, PAUSE_S]


def test_a_fault_of_the_program_does_not_end_the_loop_and_is_said_with_its_traceback(
    leases: Leases, clock: Clock, registry: CollectorRegistry
) -> None:
    turns = [raising(KeyError("one")), raising(KeyError("one")), raising(KeyError("another"))]
    one = loop(Work(*turns), leases, clock, registry=registry)

    with capture_logs() as logged:
        for _ in turns:
            one.wait_after(threading.Event())

    assert [(line["event"], line["exc_info"]) for line in logged] == [("work_failed", True)] * 2
    assert registry.get_sample_value("errors_total") == 3
