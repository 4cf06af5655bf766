import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.envelope import Notification, decode_notification
from collector.event_definitions import Rank, event_rules_of
from collector.event_mapping import EventMapping
from collector.raw import notification_of
from collector.service_files import read_service_file
from storage.event import Trait

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GENERATED = datetime(2026, 1, 2, 11, 0, tzinfo=UTC)

RULES = """
service: x
events:
- events: [thing.*]
  excluded: [thing.hidden.*]
  project: payload.owner
  user: payload.by
  traits:
    name: payload.name
    size: {path: payload.size, type: integer}
    load: {path: payload.load, type: float}
    made: {path: payload.made, type: datetime}
    host: {path: publisher_id, match: "[.](.*)"}
- events: [thing.create.end]
  traits: {zone: payload.zone, name: payload.full_name}
"""

NOTIFICATION = Notification(
    "m-1", "svc.host-1", "thing.create.end", "info", {"owner": "p-1", "by": "u-1", "name": "n"},
    "2026-01-02 11:00:00.000000", {"request_id": "r-1", "project_id": "service", "user_id": "svc"},
)  # fmt: skip


def mapping(text: str = RULES, *more: str, **options: Any) -> EventMapping:  # Any: those of the one call
    rules = list(event_rules_of(read_service_file("x.yaml", text)))
    own = [rule for one in more for rule in event_rules_of(read_service_file("y.yaml", one, is_own=True))]
    return EventMapping([*rules, *own], **options)


def traits_of(made: EventMapping, told: Notification) -> dict[str, object]:
    event = made.event(told, NOW)
    assert event is not None
    assert [trait.name for trait in event.traits] == sorted(trait.name for trait in event.traits)
    return {trait.name: trait.value for trait in event.traits}


def test_a_notification_nobody_defined_becomes_an_event_with_what_it_says_of_itself() -> None:
    told = replace(NOTIFICATION, payload={"tenant_id": "p-2"}, event_type="unheard.of")

    event = EventMapping([]).event(told, NOW)

    assert event is not None
    assert (event.message_id, event.publisher_id, event.event_type) == ("m-1", "svc.host-1", "unheard.of")
    assert (event.generated, event.project_id, event.user_id, event.raw) == (GENERATED, "p-2", "svc", None)
    assert event.traits == (
        Trait("project_id", "text", "p-2"),
        Trait("request_id", "text", "r-1"),
        Trait("service", "text", "svc.host-1"),
        Trait("tenant_id", "text", "p-2"),
        Trait("user_id", "text", "svc"),
    )


def test_the_project_of_the_payload_comes_before_that_of_the_sender() -> None:
    nowhere = replace(NOTIFICATION, payload={"name": "n"})

    assert traits_of(mapping(), NOTIFICATION)["project_id"] == "p-1"
    assert traits_of(mapping(), nowhere)["project_id"] == "service"


def test_rules_add_up_and_the_more_exact_one_comes_first() -> None:
    told = replace(NOTIFICATION, payload={"name": "n", "full_name": "long", "zone": "z", "size": 4})

    traits = traits_of(mapping(), told)

    assert (traits["name"], traits["zone"], traits["size"], traits["host"]) == ("long", "z", 4, "host-1")


def test_the_operators_rule_comes_before_a_packaged_one_however_exact() -> None:
    own = "service: x\nevents:\n- {events: [thing.*], traits: {name: payload.mine}}"
    told = replace(NOTIFICATION, payload={"full_name": "long", "mine": "mine", "zone": "z"})

    traits = traits_of(mapping(RULES, own), told)

    assert (traits["name"], traits["zone"]) == ("mine", "z")


def test_a_rule_that_replaces_leaves_nothing_of_lower_ranks() -> None:
    packaged = list(event_rules_of(read_service_file("x.yaml", RULES)))
    foreign = replace(packaged[1], rank=Rank.CEILOMETER, replaces=True)

    traits = traits_of(
        EventMapping([*packaged, foreign]), replace(NOTIFICATION, payload={"name": "n", "zone": "z"})
    )

    assert traits["zone"] == "z"
    assert {"name", "host"}.isdisjoint(traits)


def test_excluded_types_are_those_of_no_rule() -> None:
    told = replace(NOTIFICATION, event_type="thing.hidden.end")

    assert "name" not in traits_of(mapping(), told)
    assert mapping(drop_unmatched=True).event(told, NOW) is None
    assert mapping(drop_unmatched=True).event(NOTIFICATION, NOW) is not None


def test_a_rule_for_all_types_is_no_reason_to_keep_what_nobody_defined() -> None:
    general = "service: x\nevents:\n- {events: ['*'], traits: {resource_id: payload.id}}"
    told = replace(NOTIFICATION, payload={"id": "i"})

    assert traits_of(mapping(general), told)["resource_id"] == "i"
    assert mapping(general, drop_unmatched=True).event(told, NOW) is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("name", "x" * 300, "x" * 255),
        ("name", "a\0b\ud800", "a\ufffdb\ufffd"),
        ("name", True, "True"),
        ("name", 5, "5"),
        ("name", {"a": 1, "auth_token": "s"}, '{"a": 1}'),
        ("name", [{"password": "s"}, 1], "[{}, 1]"),
        ("size", "12", 12),
        ("size", 4.0, 4),
        ("size", True, 1),
        ("size", 3.5, None),
        ("size", 2**63, None),
        ("size", "1_000", None),
        ("size", "nan", None),
        ("size", "9" * 5000, None),
        ("size", {}, None),
        ("size", "", None),
        ("load", "2.5", 2.5),
        ("load", 1, 1.0),
        ("load", float("inf"), None),
        ("load", 10**400, None),
        ("load", "1e999", None),
        ("made", "2026-01-02T03:04:05+01:00", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("made", "yesterday", None),
        ("made", 1767322800, None),
        ("made", None, None),
    ],
)
def test_values_are_converted_to_the_type_of_their_trait_or_left_out(
    name: str, value: object, expected: object
) -> None:
    traits = traits_of(mapping(), replace(NOTIFICATION, event_type="thing.update", payload={name: value}))

    assert traits.get(name) == expected
    assert type(traits.get(name)) is type(expected)


@pytest.mark.parametrize(
    "payload", [None, [], "gone wrong", 7, {"owner": {"id": 1}, "by": ["x"]}, {"owner": 5}]
)
def test_no_payload_costs_its_event(payload: object) -> None:
    told = replace(NOTIFICATION, payload=payload, priority="error", context={"project_id": 5})

    event = mapping().event(told, NOW)

    assert event is not None
    assert event.project_id is None


@pytest.mark.parametrize("timestamp", [None, "", "then", 5, "2026-01-02 12:06:00", "1969-01-01 00:00:00"])
def test_an_event_without_a_credible_time_has_that_of_its_arrival(timestamp: object) -> None:
    event = mapping().event(replace(NOTIFICATION, timestamp=timestamp), NOW)

    assert event is not None
    assert event.generated == NOW


def test_a_clock_a_little_ahead_is_believed() -> None:
    event = mapping().event(replace(NOTIFICATION, timestamp="2026-01-02 12:04:00"), NOW)

    assert event is not None
    assert event.generated == NOW + timedelta(minutes=4)


def test_samples_and_debugging_are_no_events() -> None:
    for told in (
        replace(NOTIFICATION, priority="sample"),
        replace(NOTIFICATION, priority="debug"),
        replace(NOTIFICATION, event_type="telemetry.polling"),
        replace(NOTIFICATION, event_type="metering.cpu"),
    ):
        assert mapping().event(told, NOW) is None


def test_names_too_long_to_be_kept_still_tell_events_apart() -> None:
    events = [mapping().event(replace(NOTIFICATION, message_id="x" * 300 + end), NOW) for end in "ab"]

    assert len({event.id for event in events if event}) == 2
    assert all(event and len(event.message_id) == 64 for event in events)


def test_a_raw_notification_is_kept_for_its_priority_without_its_secrets_and_can_be_read_again() -> None:
    payload = {"owner": "p-1", "vpn": [{"psk": "s3cret", "mtu": 1}], "admin_pass": "s3cret", "text": "a\0"}
    told = replace(NOTIFICATION, payload=payload, context={"auth_token": "s3cret", "user_id": "u"})
    made = mapping(store_raw=frozenset({"info"}))

    event, graver = made.event(told, NOW), made.event(replace(told, priority="error"), NOW)

    assert event is not None
    assert "s3cret" not in json.dumps(event.raw)
    expected = {"owner": "p-1", "vpn": [{"mtu": 1}], "text": "a\ufffd"}
    assert notification_of(event) == replace(told, payload=expected, context={"user_id": "u"})
    assert graver is not None
    assert graver.raw is None


def test_a_raw_notification_that_had_to_be_cut_is_not_read_again() -> None:
    told = replace(NOTIFICATION, payload={"x": ["y" * 1000] * 1000})

    event = mapping(store_raw=frozenset({"info"})).event(told, NOW)

    assert event is not None
    assert len(json.dumps(event.raw)) < 300 * 2**10
    assert notification_of(event) is None


def test_versioned_objects_name_their_project() -> None:
    body = {
        "event_type": "instance.create.end",
        "payload": {"nova_object.data": {"tenant_id": "p-9", "uuid": "i"}},
        "_context_project_id": "service",
    }

    event = EventMapping([]).event(decode_notification(json.dumps(body).encode()), NOW)

    assert event is not None
    assert event.project_id == "p-9"
    assert event.generated == NOW


def test_the_payload_of_a_versioned_notification_is_read_as_any_other() -> None:
    held = {"name": "n", "size": "7", "owner": "p-1", "tenant_id": "p-9"}
    wrapped = {"nova_object.name": "Thing", "nova_object.version": "1.0", "nova_object.data": held}

    plain, told = (replace(NOTIFICATION, payload=payload) for payload in (held, wrapped))

    assert mapping().event(told, NOW) == mapping().event(plain, NOW)
    assert traits_of(mapping(), told)["size"] == 7


@pytest.mark.parametrize(
    ("written", "expected"),
    [("12", Trait("tenant_id", "integer", 12)), ("p-2", Trait("tenant_id", "text", "p-2"))],
)
def test_what_a_rule_can_not_read_stays_what_every_notification_says(written: str, expected: Trait) -> None:
    rules = """
service: x
events:
- events: [thing.*]
  traits: {tenant_id: {path: payload.tenant_id, type: integer}}
"""

    event = mapping(rules).event(replace(NOTIFICATION, payload={"tenant_id": written}), NOW)

    assert event is not None
    assert expected in event.traits
