import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from storage.alarm import TimeConstraint
from storage.database import Database
from storage.query import EVERYTHING, Scope
from storage.sample import Sample
from storage.samples import Samples
from tests.api.alarms.factories import alarm
from tests.api.alarms.watching import bodies, create, current, evaluator, measured, transitions
from tests.api.world import empty_database
from tests.factories import CPU_UTIL, MINUTE, NOW


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


def test_integer_meters_are_told_as_the_api_tells_them(database: Database) -> None:
    sample = Sample("disk", "gauge", "B", 5, "r", "project-a", NOW - timedelta(seconds=30))
    Samples(database).store([sample], received_at=NOW)
    create(database, alarm(rule={"meter_name": "disk", "threshold": 4.0, "statistic": "sum"}))

    evaluator(database).evaluate_due(NOW)

    assert current(database)[0].state_reason.endswith("most recent: 5.0")


def test_evaluations_and_transitions_are_counted(tmp_path: Path) -> None:
    database, registry = empty_database(tmp_path), CollectorRegistry()
    measured(database, 90.0)
    create(database, alarm(), alarm(rule={"meter_name": "nothing"}))

    evaluator(database, registry=registry).evaluate_due(NOW)

    def counted(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"nephometer_alarm_{name}_total", labels)

    assert counted("evaluations", result="changed") == 1.0
    assert counted("evaluations", result="unchanged") == 1.0
    assert counted("transitions", state="alarm") == 1.0
