from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.ceilometer_files.events import load_rules
from collector.envelope import Notification
from collector.errors import InvalidDefinition
from collector.event_definitions import EventRule, event_rules_of
from collector.event_mapping import EventMapping
from collector.service_files import read_service_file

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RULES = load_rules(
    [("event_definitions.yaml", Path(__file__).with_name("event_definitions.yaml").read_text())]
)
PAYLOAD = {
    "id": "t-1", "owner": "p-1", "size": "5", "locked": False, "state": "up", "token": "s3cret", "zone": "",
    "made": "2026-01-01 00:00:10", "seen": "2026-01-01T00:00:00Z",
}  # fmt: skip
NOTIFICATION = Notification("m-1", "svc.host.a", "thing.update", "info", PAYLOAD, "2026-01-01T01:00:00", {})
RULE = "- event_type: a.b\n  traits:\n    x: {fields: payload.x}\n"


def traits(event_type: str, payload: object = PAYLOAD, rules: list[EventRule] = RULES) -> dict[str, object]:
    event = EventMapping(rules).event(replace(NOTIFICATION, event_type=event_type, payload=payload), NOW)
    assert event is not None
    return {trait.name: trait.value for trait in event.traits}


def test_a_file_of_ceilometer_gives_the_traits_it_describes() -> None:
    assert traits("thing.update") == {
        "service": "svc.host.a",
        "project_id": "p-1",
        "tenant_id": "p-1",
        "resource_id": "t-1",
        "size": 5,
        "host": "host.a",
        "age": 10.0,
        "flags": 11,
        "state": "running",
        "made": datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC),
        "zone": "",
    }


def test_of_several_definitions_that_match_only_the_last_one_counts() -> None:
    assert set(traits("thing.delete.end")) == {"service", "project_id", "tenant_id", "resource_id", "size"}


def test_exclusions_alone_mean_everything_else() -> None:
    assert traits("other.update")["message"] == "m-1"


@pytest.mark.parametrize(
    ("payload", "missing"),
    [
        ({}, {"age", "resource_id", "state"}),
        ({"made": "2026-01-01"}, {"age", "made"}),
        ({"state": ["unhashable"]}, {"age"}),
        (None, {"age", "state", "made"}),
        ("text", {"age", "state", "made"}),
    ],
)
def test_what_a_plugin_cannot_use_is_left_out(payload: object, missing: set[str]) -> None:
    assert missing.isdisjoint(traits("thing.update", payload))


@pytest.mark.parametrize(
    ("state", "expected"), [("down", "stopped"), ("odd", "unknown"), (7, "unknown"), ([1], "unknown")]
)
def test_a_map_has_a_default(state: object, expected: str) -> None:
    assert traits("thing.update", {"state": state})["state"] == expected


def test_an_operators_definitions_take_the_place_of_packaged_ones_for_the_types_they_name() -> None:
    text = "service: x\nevents:\n- {events: [thing.*, '*'], traits: {packaged: event_type}}"
    packaged = list(event_rules_of(read_service_file("x.yaml", text)))
    operators = load_rules([("e.yaml", RULE)])

    assert "packaged" in traits("thing.update", rules=[*packaged, *operators])
    assert "packaged" not in traits("a.b", rules=[*packaged, *operators])


def test_the_first_file_comes_before_later_ones() -> None:
    rules = load_rules([("a.yaml", RULE.replace("x:", "one:")), ("b.yaml", RULE.replace("x:", "two:"))])

    assert {"one", "two"} & set(traits("a.b", {"x": 1}, rules)) == {"one"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{}", ["e.yaml", "object"]),
        (RULE.replace("traits", "trait"), ["e.yaml", "`trait`", "$[0]"]),
        (RULE.replace("a.b", "[]"), ["e.yaml", "event_type", "$[0]"]),
        (RULE.replace("payload.x", "'payload..['"), ["e.yaml", "trait 'x'", "payload..[", "$[0]"]),
        (RULE.replace("payload.x", "[]"), ["e.yaml", "trait 'x'", "missing", "$[0]"]),
        (RULE.replace("payload.x", "payload.x, type: bool"), ["e.yaml", "trait 'x'", "'bool'", "$[0]"]),
        (RULE.replace("payload.x", "payload.x, plugin: mine"), ["e.yaml", "no plugin 'mine'", "$[0]"]),
        (RULE.replace("payload.x", "payload.x, plugin: map"), ["e.yaml", "'map'", "values", "$[0]"]),
        (
            RULE.replace("payload.x", "payload.x, plugin: {name: split, parameters: {segment: one}}"),
            ["e.yaml", "trait 'x'", "'split'", "segment"],
        ),
        (
            RULE.replace("payload.x", "payload.x, plugin: {name: bitfield, parameters: {flags: [{path: x, bit: 99}]}}"),
            ["e.yaml", "'bitfield'", "99"],
        ),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_named_by_file_entry_and_key(text: str, names: list[str]) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        load_rules([("e.yaml", text)])

    for name in names:
        assert name in str(caught.value)
