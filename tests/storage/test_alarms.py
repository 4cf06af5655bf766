import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.alarm import Alarm, AlarmFilter, Condition, HistoryFilter, TimeConstraint, Transition
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries
from storage.errors import Conflict
from storage.query import EVERYTHING, Scope
from tests.api.alarms.factories import ALARM, alarm, change, delivery
from tests.factories import MINUTE, NOW

A, B = Scope("project-a"), Scope("project-b")


@pytest.fixture
def alarms(database: Database) -> Alarms:
    return Alarms(database)


def kept(alarms: Alarms, *wanted: Alarm) -> list[Alarm]:
    for one in wanted:
        alarms.create(one, change(one))
    return list(wanted)


def fired(alarm: Alarm) -> Transition:
    after = replace(alarm, state="alarm", state_reason="too hot", state_timestamp=NOW)
    return Transition(after, change(alarm, "state transition"), (delivery(alarm_id=alarm.alarm_id),))


def states(alarms: Alarms) -> list[str]:
    return [one.state for one in alarms.find(AlarmFilter(EVERYTHING), 100)]


def test_an_alarm_comes_back_as_it_was_created(alarms: Alarms) -> None:
    whole = alarm(
        rule={"query": (Condition("metadata.name", "eq", "wéb", "string"),), "exclude_outliers": True},
        description='say "hot"',
        enabled=False,
        severity="critical",
        repeat_actions=True,
        ok_actions=("http://a.example/?x=1", "log://"),
        time_constraints=(TimeConstraint("nights", "0 22 * * *", 3600, "Europe/Berlin", "d"),),
        scope=EVERYTHING,
        project_id=None,
        user_id=None,
    )

    alarms.create(whole, change(whole))

    assert alarms.get(EVERYTHING, whole.alarm_id) == whole


def test_an_alarm_is_only_seen_in_its_project(alarms: Alarms) -> None:
    (mine,) = kept(alarms, alarm())

    found = [alarms.get(scope, mine.alarm_id) for scope in (A, B, EVERYTHING)]

    assert [one is not None for one in found] == [True, False, True]
    assert alarms.find(AlarmFilter(B), 100) == []
    assert alarms.find(AlarmFilter(B, project_id="project-a"), 100) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "cold"),
        ("type", "other"),
        ("meter", "memory"),
        ("project_id", "project-b"),
        ("user_id", "user-2"),
        ("state", "ok"),
        ("severity", "critical"),
        ("enabled", False),
    ],
)
def test_every_filter_finds_only_its_alarms(
    alarms: Alarms, field: str, value: Any
) -> None:  # Any: of the field
    other = (
        alarm(rule={"meter_name": value}) if field == "meter" else alarm(**{field: value})
    )  # fmt: skip
    kept(alarms, alarm(), other)

    found = alarms.find(AlarmFilter(EVERYTHING, **{field: value}), 100)

    assert [one.alarm_id for one in found] == [other.alarm_id]


def test_names_are_compared_byte_for_byte(alarms: Alarms) -> None:
    kept(alarms, alarm(name="hot"))

    found = [alarms.find(AlarmFilter(EVERYTHING, name=name), 100) for name in ("HOT", "hot ", "hót", "hot")]

    assert [len(one) for one in found] == [0, 0, 0, 1]


def test_two_alarms_may_have_one_name(alarms: Alarms) -> None:
    kept(alarms, alarm(), alarm())

    assert len(alarms.find(AlarmFilter(A, name="hot"), 100)) == 2


def test_the_latest_changed_alarm_comes_first_and_the_limit_holds(alarms: Alarms) -> None:
    old, new = kept(alarms, alarm(timestamp=NOW - MINUTE), alarm(timestamp=NOW))

    assert [one.alarm_id for one in alarms.find(AlarmFilter(A), 100)] == [new.alarm_id, old.alarm_id]
    assert [one.alarm_id for one in alarms.find(AlarmFilter(A), 1)] == [new.alarm_id]


def test_an_update_counts_for_the_version_that_was_read_only(alarms: Alarms) -> None:
    (first,) = kept(alarms, alarm())

    second = alarms.update(replace(first, name="warm"), change(first, "rule change"))
    with pytest.raises(Conflict):
        alarms.update(replace(first, name="cool"), change(first, "rule change"))

    assert second.version == first.version + 1
    assert alarms.get(A, first.alarm_id) == second
    assert [line.type for line in alarms.history(HistoryFilter(A, first.alarm_id), 9)] != ["rule change"] * 2


def test_a_deleted_alarm_leaves_its_history(alarms: Alarms) -> None:
    (gone,) = kept(alarms, alarm())

    alarms.delete(gone, change(gone, "deletion", timestamp=NOW + MINUTE))

    lines = alarms.history(HistoryFilter(A, gone.alarm_id), 9)
    assert alarms.get(A, gone.alarm_id) is None
    assert [line.type for line in lines] == ["deletion", "creation"]
    assert alarms.history(HistoryFilter(B, gone.alarm_id), 9) == []
    with pytest.raises(Conflict):
        alarms.delete(gone, change(gone, "deletion"))


def test_history_is_filtered_by_type_and_time(alarms: Alarms) -> None:
    (one,) = kept(alarms, alarm())
    for minute in (1, 2, 3):
        one = alarms.update(one, change(one, "rule change", timestamp=NOW + minute * MINUTE))

    def minutes(**wanted: Any) -> list[int]:  # Any: of the field
        lines = alarms.history(HistoryFilter(A, one.alarm_id, **wanted), 9)
        return [round((line.timestamp - NOW) / MINUTE) for line in lines]

    assert minutes() == [3, 2, 1, 0]
    assert minutes(type="creation") == [0]
    assert minutes(severity="critical") == []
    assert minutes(start=NOW + MINUTE, end=NOW + 3 * MINUTE) == [2, 1]
    assert minutes(start=NOW + MINUTE, end=NOW + 3 * MINUTE, start_open=True, end_closed=True) == [3, 2]


def test_a_leased_alarm_is_due_again_after_the_interval(alarms: Alarms) -> None:
    kept(alarms, alarm())

    leased = [
        len(alarms.lease_due(NOW + timedelta(seconds=s), MINUTE, 10)) for s in (0, 0, 59, 60, 61)
    ]  # fmt: skip

    assert leased == [1, 0, 0, 1, 0]
    assert alarms.find(AlarmFilter(A), 1)[0].evaluated_at == NOW + MINUTE
    assert alarms.oldest_due() == NOW + 2 * MINUTE


def test_disabled_alarms_are_not_leased(alarms: Alarms) -> None:
    kept(alarms, alarm(enabled=False))

    assert alarms.lease_due(NOW, MINUTE, 10) == []
    assert alarms.oldest_due() is None


def test_the_longest_waiting_alarms_are_leased_first(alarms: Alarms) -> None:
    late, later = alarm(), alarm()
    alarms.create(later, change(later, timestamp=NOW))
    alarms.create(late, change(late, timestamp=NOW - MINUTE))

    leased = [alarms.lease_due(NOW, MINUTE, 1)[0].alarm_id for _ in range(2)]

    assert leased == [late.alarm_id, later.alarm_id]


def test_an_alarm_is_due_when_the_clock_was_set_back(alarms: Alarms) -> None:
    kept(alarms, alarm())
    alarms.lease_due(NOW, MINUTE, 10)

    assert len(alarms.lease_due(NOW - timedelta(hours=5), MINUTE, 10)) == 1


def test_a_changed_rule_is_due_at_once_but_a_state_set_by_hand_is_not(alarms: Alarms) -> None:
    (one,) = kept(alarms, alarm())
    (one,) = alarms.lease_due(NOW, MINUTE, 10)

    one = alarms.update(one, change(one, "state transition"))
    by_hand = alarms.lease_due(NOW, MINUTE, 10)
    alarms.update(one, change(one, "rule change"))
    by_rule = alarms.lease_due(NOW, MINUTE, 10)

    assert (len(by_hand), len(by_rule)) == (0, 1)


def test_a_transition_is_written_with_its_history_and_deliveries(alarms: Alarms, database: Database) -> None:
    kept(alarms, alarm())
    (leased,) = alarms.lease_due(NOW, MINUTE, 10)

    after = alarms.record(fired(leased))

    assert alarms.get(A, leased.alarm_id) == after
    assert after.state == "alarm"
    lines = alarms.history(HistoryFilter(A, leased.alarm_id, type="state transition"), 9)
    assert len(lines) == 1
    assert len(Deliveries(database).find(A, 9)) == 1


def test_a_transition_that_cannot_be_written_whole_is_not_written_at_all(
    alarms: Alarms, database: Database
) -> None:
    kept(alarms, alarm())
    (leased,) = alarms.lease_due(NOW, MINUTE, 10)
    owed = delivery()

    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        alarms.record(replace(fired(leased), deliveries=(owed, owed)))

    assert states(alarms) == ["insufficient data"]
    assert alarms.history(HistoryFilter(A, leased.alarm_id, type="state transition"), 9) == []
    assert Deliveries(database).find(A, 9) == []


def test_a_paused_evaluator_cannot_write_once_another_has_leased(alarms: Alarms, database: Database) -> None:
    kept(alarms, alarm())
    (paused,) = alarms.lease_due(NOW, MINUTE, 10)
    (awake,) = alarms.lease_due(NOW + MINUTE, MINUTE, 10)

    with pytest.raises(Conflict):
        alarms.record(fired(paused))
    alarms.record(fired(awake))

    assert len(alarms.history(HistoryFilter(A, paused.alarm_id, type="state transition"), 9)) == 1
    assert len(Deliveries(database).find(A, 9)) == 1


def test_evaluators_that_race_never_lease_one_alarm_twice(alarms: Alarms) -> None:
    created = kept(alarms, *(alarm() for _ in range(30)))
    start, leased = threading.Barrier(3), list[str]()

    def lease() -> None:
        start.wait()
        for _ in range(10):
            leased.extend(one.alarm_id for one in alarms.lease_due(NOW, MINUTE, 7))

    threads = [threading.Thread(target=lease) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(leased) == sorted(one.alarm_id for one in created)


def test_of_racing_transitions_exactly_one_is_written(alarms: Alarms, database: Database) -> None:
    kept(alarms, alarm())
    (leased,) = alarms.lease_due(NOW, MINUTE, 10)
    start, results = threading.Barrier(4), list[str]()

    def record() -> None:
        start.wait()
        try:
            alarms.record(fired(leased))
            results.append("written")
        except Conflict:
            results.append("conflict")

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["conflict"] * 3 + ["written"]
    assert len(alarms.history(HistoryFilter(A, leased.alarm_id, type="state transition"), 9)) == 1
    assert len(Deliveries(database).find(A, 9)) == 1


def test_the_actions_of_an_alarm_are_those_of_its_state() -> None:
    one = replace(ALARM, ok_actions=("log://ok",), insufficient_data_actions=("log://none",))

    assert one.actions() == ("log://none",)
    assert replace(one, state="ok").actions() == ("log://ok",)
    assert replace(one, state="alarm").actions() == ALARM.alarm_actions
