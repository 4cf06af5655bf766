import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.alarms.bodies import BODY, IS_JSON, RULE, create
from tests.api.world import World, conditions, fault


def test_the_shortest_alarm_gets_every_default(member: TestClient) -> None:
    answer = member.post("/v2/alarms", json=BODY)

    created = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"http://testserver/v2/alarms/{created['alarm_id']}"
    expected = {
        "name": "hot",
        "description": "Alarm when cpu_util is eq a avg of 80.0 over 60 seconds",
        "type": "threshold",
        "enabled": True,
        "severity": "low",
        "state": "insufficient data",
        "state_reason": "Not evaluated yet",
        "evaluate_timestamp": None,
        "user_id": "user-a",
        "project_id": "project-a",
        "repeat_actions": False,
        "ok_actions": [],
        "alarm_actions": [],
        "insufficient_data_actions": [],
        "time_constraints": [],
        "threshold_rule": {
            "meter_name": "cpu_util",
            "threshold": 80.0,
            "query": [{"field": "project_id", "op": "eq", "value": "project-a", "type": ""}],
            "period": 60,
            "comparison_operator": "eq",
            "statistic": "avg",
            "evaluation_periods": 1,
            "exclude_outliers": False,
        },
    }
    assert {key: created[key] for key in expected} == expected
    assert set(created) - set(expected) == {"alarm_id", "timestamp", "state_timestamp"}
    assert member.get(f"/v2/alarms/{created['alarm_id']}").json() == created


def test_numbers_and_truths_may_be_texts(member: TestClient) -> None:
    rule = {"meter_name": "cpu", "threshold": "7.5", "period": "300", "evaluation_periods": "2"}
    constraint = {"name": "c", "start": "0 11 * * *", "duration": "300", "timezone": "Europe/Berlin"}

    created = create(member, threshold_rule=rule, time_constraints=[constraint], enabled="False")

    assert created["threshold_rule"]["threshold"] == 7.5
    assert created["threshold_rule"]["period"] == 300
    assert created["time_constraints"] == [constraint | {"duration": 300, "description": ""}]
    assert created["enabled"] is False


def test_the_whole_object_as_read_is_accepted_and_changes_nothing(member: TestClient) -> None:
    created = create(member, severity="critical", alarm_actions=["http://a.example/x"])

    answer = member.put(f"/v2/alarms/{created['alarm_id']}", json=created | {"combination_rule": None})

    assert answer.status_code == 200
    assert {k: v for k, v in answer.json().items() if k != "timestamp"} == {
        k: v for k, v in created.items() if k != "timestamp"
    }


def test_an_update_replaces_and_its_history_tells_what_changed(member: TestClient) -> None:
    created = create(member)
    rule = created["threshold_rule"] | {"threshold": 90.0}

    member.put(f"/v2/alarms/{created['alarm_id']}", json=created | {"name": "warm", "threshold_rule": rule})

    first, second = member.get(f"/v2/alarms/{created['alarm_id']}/history").json()
    assert (first["type"], second["type"]) == ("rule change", "creation")
    assert json.loads(first["detail"]) == {"name": "warm", "rule": rule}
    assert json.loads(second["detail"])["rule"] == created["threshold_rule"]
    assert {"name", "type", "description", "severity"} <= set(json.loads(second["detail"]))
    assert (second["user_id"], second["project_id"], second["on_behalf_of"]) == (
        "user-a",
        "project-a",
        "project-a",
    )


def test_the_state_is_a_bare_json_string(world: World, member: TestClient) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}"

    answers = member.get(f"{path}/state"), member.put(f"{path}/state", json="alarm")

    assert [(one.status_code, one.text) for one in answers] == [
        (200, '"insufficient data"'),
        (200, '"alarm"'),
    ]
    assert member.get(path).json()["state_reason"] == "Manually set via API"
    line = member.get(f"{path}/history").json()[0]
    assert line["type"] == "state transition"
    assert json.loads(line["detail"])["state"] == "alarm"


@pytest.mark.parametrize("state", ['"hot"', "1", "null", '{"a": 1}', '["ok"]', '"OK"'])
def test_a_word_that_is_no_state_is_refused(member: TestClient, state: str) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}/state"

    answer = member.put(path, content=state, headers=IS_JSON)

    assert (answer.status_code, fault(answer)) == (400, "state invalid")


def test_an_update_that_changes_nothing_is_no_line_of_history(member: TestClient) -> None:
    created = create(member)
    path = f"/v2/alarms/{created['alarm_id']}"

    answer = member.put(path, json=created)

    assert (answer.status_code, answer.json()) == (200, created)
    assert [line["type"] for line in member.get(f"{path}/history").json()] == ["creation"]


def test_a_deleted_alarm_is_gone_but_its_history_is_not(member: TestClient) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}"

    answer = member.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert [member.get(path).status_code, member.delete(path).status_code] == [404, 404]
    assert [line["type"] for line in member.get(f"{path}/history").json()] == ["deletion", "creation"]


def test_an_unknown_alarm_is_not_found_in_the_words_of_ceilometer(member: TestClient) -> None:
    answers = [
        member.get("/v2/alarms/nope"),
        member.put("/v2/alarms/nope", json=BODY),
        member.delete("/v2/alarms/nope"),
        member.get("/v2/alarms/nope/state"),
        member.put("/v2/alarms/nope/state", json="ok"),
    ]

    assert {(one.status_code, fault(one)) for one in answers} == {(404, "Alarm nope Not Found")}
    assert member.get("/v2/alarms/nope/history").json() == []


@pytest.mark.parametrize(
    ("triples", "names"),
    [
        ([], ["b", "a"]),
        ([("name", "eq", "a")], ["a"]),
        ([("enabled", "eq", "True", "boolean"), ("name", "eq", "a", "")], []),
        ([("enabled", "", "False")], ["a"]),
        ([("severity", "eq", "critical")], ["b"]),
        ([("meter", "eq", "memory")], ["b"]),
        ([("type", "eq", "threshold")], ["b", "a"]),
        ([("state", "eq", "ok")], ["b"]),
        ([("user", "eq", "user-a")], ["b", "a"]),
        ([("user_id", "eq", "user-z")], []),
        ([("project", "eq", "project-a")], ["b", "a"]),
        ([("name", "eq", "a"), ("name", "eq", "b")], []),
    ],
)
def test_alarms_are_found_by_their_fields(
    member: TestClient, triples: list[tuple[str, str, str]], names: list[str]
) -> None:
    create(member, name="a", enabled=False)
    create(member, name="b", severity="critical", state="ok", threshold_rule=RULE | {"meter_name": "memory"})

    found = member.get("/v2/alarms", params=conditions(*triples))

    assert [one["name"] for one in found.json()] == names


@pytest.mark.parametrize(
    "triple",
    [
        ("timestamp", "gt", "2026-01-01T00:00:00"),
        ("nonsense", "eq", "x"),
        ("name", "ne", "x"),
        ("enabled", "eq", "perhaps"),
        ("description", "eq", "x"),
    ],
)
def test_what_alarms_cannot_be_asked_for_is_refused(member: TestClient, triple: tuple[str, str, str]) -> None:
    assert member.get("/v2/alarms", params=conditions(triple)).status_code == 400


def test_history_is_filtered_by_type_and_time(member: TestClient) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}"
    member.put(f"{path}/state", json="ok")

    def types(*triples: tuple[str, str, str]) -> list[str]:
        return [line["type"] for line in member.get(f"{path}/history", params=conditions(*triples)).json()]

    assert types(("type", "eq", "creation")) == ["creation"]
    assert types(("timestamp", "gt", "2999-01-01T00:00:00")) == []
    assert types(("timestamp", "gt", "2001-01-01T00:00:00"), ("user", "eq", "user-a")) == [
        "state transition",
        "creation",
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": None}, "name"),
        ({"type": None}, "type"),
        ({"type": "combination", "combination_rule": {"alarm_ids": []}}, "not supported"),
        ({"type": "event", "event_rule": {}}, "not supported"),
        ({"type": "gnocchi_resources_threshold"}, "not supported"),
        ({"type": "nonsense"}, "threshold"),
        ({"threshold_rule": None}, "threshold_rule must be set"),
        ({"threshold_rule": {"meter_name": "cpu"}}, "threshold_rule.threshold"),
        ({"threshold_rule": {"threshold": 1}}, "threshold_rule.meter_name"),
        ({"threshold_rule": RULE | {"threshold": "NaN"}}, "threshold"),
        ({"threshold_rule": RULE | {"period": 0}}, "period"),
        ({"threshold_rule": RULE | {"period": 10**12}}, "period"),
        ({"threshold_rule": RULE | {"evaluation_periods": 0}}, "evaluation_periods"),
        ({"threshold_rule": RULE | {"period": 10**7, "evaluation_periods": 900}}, "year"),
        ({"threshold_rule": RULE | {"comparison_operator": "like"}}, "comparison_operator"),
        ({"threshold_rule": RULE | {"statistic": "median"}}, "statistic"),
        ({"threshold_rule": RULE | {"nonsense": 1}}, "Unknown attribute: threshold_rule.nonsense"),
        (
            {"threshold_rule": RULE | {"query": [{"field": "timestamp", "op": "ge", "value": "x"}]}},
            "timestamp",
        ),
        ({"threshold_rule": RULE | {"query": [{"field": "x", "op": "eq", "value": "x"}]}}, '"x"'),
        ({"threshold_rule": RULE | {"query": [{"field": "user", "op": "gt", "value": "x"}]}}, "operator"),
        (
            {"threshold_rule": RULE | {"query": [{"field": "user", "op": "eq", "value": v} for v in "ab"]}},
            "both",
        ),
        ({"combination_rule": {"alarm_ids": []}}, "combination_rule"),
        ({"nonsense": 1}, "Unknown attribute: nonsense"),
        ({"severity": "high"}, "severity"),
        ({"state": "hot"}, "state"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"alarm_actions": ["trust+http://a.example/"]}, "Unsupported action trust+http"),
        ({"alarm_actions": ["zaqar://?topic=x"]}, "Unsupported action zaqar"),
        ({"ok_actions": ["nonsense"]}, "Unsupported action nonsense"),
        ({"ok_actions": ["log://[a"]}, "valid host"),
        ({"ok_actions": ["test:a\x00b"]}, "visible"),
        ({"ok_actions": ["http://user@a.example/"]}, "user name"),
        ({"ok_actions": ["http://a.example:22/"]}, "port 22"),
        ({"ok_actions": ["http://a\\b.example/"]}, "backslash"),
        ({"ok_actions": ["http://a.example/\r\nX: y"]}, "visible"),
        (
            {"insufficient_data_actions": [f"http://a.example/{n}" for n in range(6)]},
            "exceeds maximum value 5",
        ),
        ({"time_constraints": [{"name": "a", "start": "x", "duration": 1}]}, "cron"),
        ({"time_constraints": [{"name": "a", "start": "* * * * *", "duration": -1}]}, "duration"),
        ({"time_constraints": [{"name": "a", "start": "* * * * *", "duration": 1, "timezone": "X"}]}, "zone"),
        ({"time_constraints": [{"name": "a", "start": "* * * * *", "duration": 1}] * 2}, "unique"),
    ],
)
def test_a_wrong_alarm_is_refused_with_the_place(
    member: TestClient, changes: dict[str, Any], text: str
) -> None:  # Any: JSON
    body = {key: value for key, value in (BODY | changes).items() if value is not None or "rule" in key}

    answer = member.post("/v2/alarms", json=body)

    assert answer.status_code == 400
    assert text in fault(answer)
    assert member.get("/v2/alarms").json() == []


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
def test_a_rules_query_is_made_as_clean_as_the_samples_it_is_compared_with(
    member: TestClient, text: str
) -> None:
    query = [{"field": "resource", "value": f"a{text}b"}]
    body = json.dumps(BODY | {"threshold_rule": RULE | {"query": query}})

    answer = member.post("/v2/alarms", content=body, headers=IS_JSON)

    assert answer.status_code == 201
    assert answer.json()["threshold_rule"]["query"][0]["value"] == "a\ufffdb"


@pytest.mark.parametrize("body", ["", "[]", "null", '"x"', "{", '{"name": "a", "name": "b"}', "[" * 5000])
def test_a_body_that_is_no_alarm_is_refused(member: TestClient, body: str) -> None:
    assert member.post("/v2/alarms", content=body, headers=IS_JSON).status_code == 400
