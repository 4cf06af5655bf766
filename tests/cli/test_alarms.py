import json
from typing import Any

import pytest

from tests.cli.conftest import Nephometer
from tests.cli.stub_api import StubApi

ALARM: dict[str, Any] = {  # Any: a JSON document as the API writes it
    "alarm_id": "a-1",
    "name": "busy",
    "description": "Alarm when cpu_util is gt a avg of 80.0 over 60 seconds",
    "type": "threshold",
    "enabled": True,
    "state": "ok",
    "state_reason": "Not evaluated yet",
    "severity": "low",
    "repeat_actions": False,
    "ok_actions": [],
    "alarm_actions": ["http://127.0.0.1:9/hook"],
    "insufficient_data_actions": [],
    "time_constraints": [{"name": "night", "start": "0 1 * * *", "duration": 300}],
    "timestamp": "2026-11-23T12:00:00",
    "state_timestamp": "2026-11-23T12:00:00",
    "user_id": "user-1",
    "project_id": "project-a",
    "threshold_rule": {
        "meter_name": "cpu_util",
        "threshold": 80.0,
        "comparison_operator": "gt",
        "statistic": "avg",
        "period": 60,
        "evaluation_periods": 2,
        "exclude_outliers": False,
        "query": [{"field": "resource_id", "op": "eq", "value": "r-1", "type": ""}],
    },
}


def test_alarms_are_listed_with_their_rule_in_words(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/alarms", [ALARM])

    ended = nephometer("alarms", "list", "-q", "enabled=boolean::True", "-f", "value", "-c", "rule")

    assert ended.out == "avg(cpu_util) > 80.0 during 2 x 60 s\n"
    assert ("q.type", "boolean") in api.asked[0].parameters


def test_an_alarm_is_shown_with_the_conditions_of_its_rule(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/alarms/a-1", ALARM)

    ended = nephometer("alarms", "show", "a-1", "-f", "json")

    shown = json.loads(ended.out)
    assert shown["query"] == ["resource_id=r-1"]
    assert shown["state_timestamp"] == "2026-11-23T12:00:00Z"


def test_an_alarm_of_another_type_is_shown_too(nephometer: Nephometer, api: StubApi) -> None:
    event = {key: value for key, value in ALARM.items() if key != "threshold_rule"} | {"type": "event"}
    api.answer("GET", "/v2/alarms/a-1", event)

    assert nephometer("alarms", "show", "a-1", "-f", "value", "-c", "rule").out == "event\n"


def test_a_new_alarm_leaves_to_the_server_what_was_not_said(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("POST", "/v2/alarms", ALARM, 201)

    ended = nephometer("alarms", "create", "--name", "busy", "-m", "cpu_util", "--threshold", "80")

    assert ended.code == 0
    assert api.asked[0].body == {
        "type": "threshold",
        "name": "busy",
        "threshold_rule": {"meter_name": "cpu_util", "threshold": 80.0},
    }


def test_a_new_alarm_carries_every_option(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("POST", "/v2/alarms", ALARM, 201)

    nephometer(
        "alarms", "create", "--name", "busy", "-m", "cpu_util", "--threshold", "-1.5", "--operator", "ge",
        "--statistic", "max", "-p", "300", "--evaluation-periods", "3", "-q", "resource_id=r-1;project_id=p",
        "--alarm-action", "http://a", "--alarm-action", "http://b", "--ok-action", "http://c",
        "--insufficient-data-action", "http://d", "--repeat-actions", "--severity", "critical",
        "--description", "too much", "--disabled",
    )  # fmt: skip

    assert api.asked[0].body == {
        "type": "threshold",
        "name": "busy",
        "description": "too much",
        "severity": "critical",
        "enabled": False,
        "repeat_actions": True,
        "alarm_actions": ["http://a", "http://b"],
        "ok_actions": ["http://c"],
        "insufficient_data_actions": ["http://d"],
        "threshold_rule": {
            "meter_name": "cpu_util",
            "threshold": -1.5,
            "comparison_operator": "ge",
            "statistic": "max",
            "period": 300,
            "evaluation_periods": 3,
            "query": [
                {"field": "resource_id", "op": "eq", "type": "", "value": "r-1"},
                {"field": "project_id", "op": "eq", "type": "", "value": "p"},
            ],
        },
    }


def test_an_update_changes_what_was_said_and_keeps_the_rest(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/alarms/a-1", ALARM)
    api.answer("PUT", "/v2/alarms/a-1", ALARM)

    ended = nephometer("alarms", "update", "a-1", "--threshold", "90", "--disabled")

    assert ended.code == 0
    assert api.asked[1].body == ALARM | {
        "enabled": False,
        "threshold_rule": ALARM["threshold_rule"] | {"threshold": 90.0},
    }


def test_an_update_has_to_say_what_changes(nephometer: Nephometer, api: StubApi) -> None:
    ended = nephometer("alarms", "update", "a-1")

    assert (ended.code, ended.out) == (2, "")
    assert "say what is to change" in ended.err
    assert api.asked == []


def test_a_threshold_does_not_fit_an_alarm_of_another_type(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/alarms/a-1", {**ALARM, "threshold_rule": None, "type": "event"})

    ended = nephometer("alarms", "update", "a-1", "--threshold", "90")

    assert ended.code == 2
    assert [asked.method for asked in api.asked] == ["GET"]


def test_a_deleted_alarm_is_confirmed_to_the_person(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("DELETE", "/v2/alarms/a-1", b"", 204)

    ended = nephometer("alarms", "delete", "a-1")

    assert (ended.code, ended.out, ended.err) == (0, "", "Alarm a-1 is deleted.\n")


def test_the_state_is_a_bare_string_both_ways(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/alarms/a-1/state", "ok")
    api.answer("PUT", "/v2/alarms/a-1/state", "insufficient data")

    before = nephometer("alarms", "state", "a-1", "-f", "value", "-c", "state")
    after = nephometer("alarms", "set-state", "a-1", "insufficient data", "-f", "value", "-c", "state")

    assert (before.out, after.out) == ("ok\n", "insufficient data\n")
    assert api.asked[1].body == "insufficient data"


@pytest.mark.parametrize("state", ["wrong", "OK"])
def test_a_state_that_does_not_exist_is_a_usage_error(
    nephometer: Nephometer, api: StubApi, state: str
) -> None:
    assert nephometer("alarms", "set-state", "a-1", state).code == 2
    assert api.asked == []


def test_history_is_listed(nephometer: Nephometer, api: StubApi) -> None:
    change = {
        "event_id": "e-1",
        "alarm_id": "a-1",
        "type": "state transition",
        "detail": '{"state": "alarm"}',
        "user_id": None,
        "timestamp": "2026-11-23T12:00:00.5",
    }
    api.answer("GET", "/v2/alarms/a-1/history", [change])

    ended = nephometer("alarms", "history", "a-1", "-f", "csv")

    assert ended.out == (
        "timestamp,type,detail,user_id\n"
        '2026-11-23T12:00:00.500000Z,state transition,"{""state"": ""alarm""}",\n'
    )
