import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.alarms.decision import Decision, Rule
from api.alarms.evaluator import Evaluator, rules
from api.alarms.metrics import AlarmMetrics
from api.settings import AlarmSettings
from storage.alarm import Alarm, AlarmChange, AlarmFilter, HistoryFilter, TimeConstraint, Transition
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries
from storage.errors import DatabaseUnavailable
from storage.migrate import upgrade
from storage.query import EVERYTHING, Scope
from storage.sample import Sample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from tests.api.alarms.factories import alarm, change
from tests.factories import CPU_UTIL, MINUTE, NOW


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseSettings(url=database_url))
    upgrade(database)
    yield database
    database.dispose()


def evaluator(
    database: Database, *, alarms: Alarms | None = None, asked: list[Rule] | None = None
) -> Evaluator:
    return Evaluator(
        alarms or Alarms(database),
        asked or rules(Statistics(database)),
        AlarmSettings(interval=60),
        AlarmMetrics(CollectorRegistry()),
        lambda: NOW,
    )


def measured(database: Database, *volumes: float, **changes: Any) -> None:  # Any: the fields of a sample
    """One sample a minute, the last 30 s before NOW."""
    first = NOW - timedelta(seconds=30) - (len(volumes) - 1) * MINUTE
    samples = [
        replace(CPU_UTIL, volume=volume, timestamp=first + number * MINUTE, **changes)
        for number, volume in enumerate(volumes)
    ]
    Samples(database).store(samples, received_at=NOW)


def create(database: Database, *alarms: Alarm) -> None:
    for one in alarms:
        Alarms(database).create(one, change(one))


def current(database: Database) -> list[Alarm]:
    return Alarms(database).find(AlarmFilter(EVERYTHING), 100)


def transitions(database: Database, one: Alarm) -> list[AlarmChange]:
    wanted = HistoryFilter(EVERYTHING, one.alarm_id, type="state transition")
    return Alarms(database).history(wanted, 100)


def bodies(database: Database) -> list[dict[str, object]]:
    return [json.loads(one.body) for one in Deliveries(database).find(EVERYTHING, 100)]


def test_a_hot_cpu_fires_once_and_its_history_says_why(database: Database) -> None:
    measured(database, 50.0, 81.5)
    create(database, alarm())
    watching = evaluator(database)

    counts = [watching.evaluate_due(NOW + n * timedelta(seconds=30)) for n in range(3)]

    (one,) = current(database)
    (line,) = transitions(database, one)
    reason = "Transition to alarm due to 1 samples outside threshold, most recent: 81.5"
    assert counts == [1, 0, 1]
    assert (one.state, one.state_reason, one.state_timestamp) == ("alarm", reason, NOW)
    assert json.loads(line.detail) == {"state": "alarm", "transition_reason": reason}
    assert line.on_behalf_of == "project-a"
    (body,) = bodies(database)
    assert body == {
        "alarm_name": "hot",
        "alarm_id": one.alarm_id,
        "severity": "low",
        "previous": "insufficient data",
        "current": "alarm",
        "reason": reason,
        "reason_data": {"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 81.5},
    }


def test_an_alarm_recovers_and_then_loses_its_data(database: Database) -> None:
    measured(database, 90.0)
    create(database, alarm(ok_actions=("http://ok.example/",), insufficient_data_actions=("log://",)))
    watching = evaluator(database)
    watching.evaluate_due(NOW)
    Samples(database).store(
        [replace(CPU_UTIL, volume=10.0, timestamp=NOW + timedelta(seconds=30))], received_at=NOW
    )

    watching.evaluate_due(NOW + MINUTE)
    watching.evaluate_due(NOW + 10 * MINUTE)

    (one,) = current(database)
    assert [json.loads(line.detail)["state"] for line in transitions(database, one)] == [
        "insufficient data", "ok", "alarm",
    ]  # fmt: skip
    assert one.state_reason == "1 datapoints are unknown"
    assert len(bodies(database)) == 3


def test_one_late_period_does_not_make_an_alarm_flap(database: Database) -> None:
    measured(database, 90.0, 90.0)
    create(database, alarm(rule={"evaluation_periods": 2}))
    watching = evaluator(database)

    watching.evaluate_due(NOW)
    watching.evaluate_due(NOW + MINUTE)  # the newest period holds nothing yet

    (one,) = current(database)
    assert one.state == "alarm"
    assert len(transitions(database, one)) == 1


def test_readings_of_a_period_that_is_not_over_are_not_judged(database: Database) -> None:
    measured(database, 10.0)
    create(database, alarm())
    watching = evaluator(database)
    watching.evaluate_due(NOW)
    Samples(database).store(
        [replace(CPU_UTIL, volume=99.0, timestamp=NOW + timedelta(seconds=1))], received_at=NOW
    )

    states = []
    for seconds in (59, 60 + 59):
        watching.evaluate_due(NOW + timedelta(seconds=seconds))
        states.append(current(database)[0].state)

    assert states == ["ok", "alarm"]


def test_repeated_actions_are_owed_at_every_evaluation_but_told_once(database: Database) -> None:
    measured(database, 90.0)
    create(database, alarm(repeat_actions=True))
    watching = evaluator(database)

    watching.evaluate_due(NOW)
    watching.evaluate_due(NOW + timedelta(seconds=60))

    (one,) = current(database)
    assert len(transitions(database, one)) == 1
    assert sorted(str(body["reason"])[:9] for body in bodies(database)) == ["Remaining", "Transitio"]
    assert [body["previous"] for body in bodies(database) if str(body["reason"]).startswith("Rem")] == [
        "alarm"
    ]


@pytest.mark.parametrize(
    ("scope", "state"),
    [(Scope("project-a"), "ok"), (Scope("project-b"), "alarm"), (Scope("project-c"), "insufficient data")],
)
def test_an_alarm_sees_only_what_its_scope_allows(database: Database, scope: Scope, state: str) -> None:
    measured(database, 10.0)
    measured(database, 99.0, project_id="project-b", resource_id="instance-2")
    create(database, alarm(scope=scope))

    evaluator(database).evaluate_due(NOW)

    assert current(database)[0].state == state


def test_an_alarm_of_an_administrator_sees_everything(database: Database) -> None:
    measured(database, 10.0)
    measured(database, 99.0, project_id="project-b", resource_id="instance-2")
    create(database, alarm(scope=EVERYTHING, project_id=None, rule={"statistic": "max"}))

    evaluator(database).evaluate_due(NOW)

    assert current(database)[0].state == "alarm"


def test_outside_its_time_constraints_an_alarm_keeps_its_state(database: Database) -> None:
    measured(database, 90.0)
    night = TimeConstraint("night", "0 22 * * *", 3600)
    create(
        database,
        alarm(time_constraints=(night,)),
        alarm(time_constraints=(replace(night, start="0 11 * * *", duration_s=7200),)),
    )

    evaluator(database).evaluate_due(NOW)

    assert sorted(one.state for one in current(database)) == ["alarm", "insufficient data"]


def test_more_alarms_than_one_batch_are_all_evaluated(database: Database) -> None:
    measured(database, 90.0)
    create(database, *(alarm() for _ in range(120)))

    assert evaluator(database).evaluate_due(NOW) == 120
    assert {one.state for one in current(database)} == {"alarm"}


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


def _before(alarms: Alarms) -> Callable[[Transition], Alarm]:
    def record(transition: Transition) -> Alarm:
        raise Killed

    return record


def _after(alarms: Alarms) -> Callable[[Transition], Alarm]:
    whole = alarms.record

    def record(transition: Transition) -> Alarm:
        whole(transition)
        raise Killed

    return record


@pytest.mark.parametrize("killed", [_before, _after])
def test_a_killed_evaluator_loses_no_transition_and_makes_no_second_one(
    database: Database, killed: Callable[[Alarms], Callable[[Transition], Alarm]]
) -> None:
    measured(database, 90.0, 90.0)
    create(database, alarm())
    alarms = Alarms(database)
    alarms.record = killed(alarms)  # type: ignore[assignment, method-assign]  # the process dies here
    with pytest.raises(Killed):
        evaluator(database, alarms=alarms).evaluate_due(NOW)

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


def test_the_loop_goes_on_when_the_database_comes_back_and_stops_when_told(tmp_path: Any) -> None:
    database = Database(DatabaseSettings(url=f"sqlite:///{tmp_path / 'a.db'}"))
    upgrade(database)
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

    stop = threading.Event()
    thread = threading.Thread(
        target=evaluator(database, alarms=Flaky(database)).run, args=(stop,), daemon=True
    )
    thread.start()
    assert asked.wait(10)
    back.set()
    assert fired.wait(10)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert current(database)[0].state == "alarm"


def test_integer_meters_are_told_as_the_api_tells_them(database: Database) -> None:
    sample = Sample("disk", "gauge", "B", 5, "r", "project-a", NOW - timedelta(seconds=30))
    Samples(database).store([sample], received_at=NOW)
    create(database, alarm(rule={"meter_name": "disk", "threshold": 4.0, "statistic": "sum"}))

    evaluator(database).evaluate_due(NOW)

    assert current(database)[0].state_reason.endswith("most recent: 5.0")
