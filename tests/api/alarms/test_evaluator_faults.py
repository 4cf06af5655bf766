import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from api.alarms.decision import Decision
from api.alarms.evaluator import rules
from storage.alarm import Alarm, Transition
from storage.alarms import Alarms
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.statistics import Statistics
from tests.api.alarms.factories import alarm
from tests.api.alarms.watching import bodies, create, current, evaluator, measured, transitions
from tests.api.world import empty_database
from tests.factories import MINUTE, NOW
from tests.running import running


def test_two_evaluators_that_race_make_one_transition(database: Database) -> None:
    measured(database, 90.0)
    created = [alarm() for _ in range(20)]
    create(database, *created)
    start = threading.Barrier(2)

    def watch() -> None:
        watching = evaluator(database)
        start.wait()
        for second in range(3):
            watching.evaluate_due(NOW + timedelta(seconds=second))

    threads = [threading.Thread(target=watch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(transitions(database, one)) for one in created] == [1] * 20
    assert len(bodies(database)) == 20


def test_a_paused_evaluator_changes_nothing_when_it_resumes(database: Database) -> None:
    measured(database, 90.0)
    create(database, alarm())

    class Paused:
        """Thinks until another evaluator has done the work."""

        type = "threshold"

        def evaluate(self, alarm: Alarm, now: datetime) -> Decision:
            evaluator(database).evaluate_due(NOW + MINUTE)
            return Decision("ok", "long ago", {})

    evaluator(database, asked=[Paused()]).evaluate_due(NOW)

    (one,) = current(database)
    assert one.state == "alarm"
    assert len(transitions(database, one)) == 1
    assert len(bodies(database)) == 1


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing catches it."""


class KilledBefore(Alarms):
    def record(self, transition: Transition) -> Alarm:
        raise Killed


class KilledAfter(Alarms):
    def record(self, transition: Transition) -> Alarm:
        super().record(transition)
        raise Killed


@pytest.mark.parametrize("killed", [KilledBefore, KilledAfter])
def test_a_killed_evaluator_loses_no_transition_and_makes_no_second_one(
    database: Database, killed: type[Alarms]
) -> None:
    measured(database, 90.0, 90.0)
    create(database, alarm())
    with pytest.raises(Killed):
        evaluator(database, alarms=killed(database)).evaluate_due(NOW)

    evaluator(database).evaluate_due(NOW + MINUTE)

    (one,) = current(database)
    assert one.state == "alarm"
    assert len(transitions(database, one)) == 1
    assert len(bodies(database)) == 1


def test_a_rule_that_fails_does_not_hinder_other_alarms(database: Database) -> None:
    measured(database, 90.0)
    broken, good = alarm(name="broken"), alarm(name="good")
    create(database, broken, good)
    (threshold,) = rules(Statistics(database))

    class Faulty:
        type = "threshold"

        def evaluate(self, alarm: Alarm, now: datetime) -> Decision | None:
            if alarm.name == "broken":
                raise ZeroDivisionError
            return threshold.evaluate(alarm, now)

    assert evaluator(database, asked=[Faulty()]).evaluate_due(NOW) == 2
    assert {one.name: one.state for one in current(database)} == {
        "broken": "insufficient data",
        "good": "alarm",
    }


def test_the_loop_goes_on_when_the_database_comes_back_and_stops_when_told(tmp_path: Path) -> None:
    database = empty_database(tmp_path)
    measured(database, 90.0)
    create(database, alarm())
    asked, back, fired = threading.Event(), threading.Event(), threading.Event()

    class Flaky(Alarms):
        def lease_due(self, now: datetime, interval: timedelta, limit: int) -> list[Alarm]:
            if not back.is_set():
                asked.set()
                raise DatabaseUnavailable("away")
            return super().lease_due(now, interval, limit)

        def record(self, transition: Transition) -> Alarm:
            after = super().record(transition)
            fired.set()
            return after

    with running(evaluator(database, alarms=Flaky(database)).run):
        assert asked.wait(10)
        back.set()
        assert fired.wait(10)

    assert current(database)[0].state == "alarm"
