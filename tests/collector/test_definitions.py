from pathlib import Path

import pytest

from collector.definitions import load_definitions, read_definitions
from collector.envelope import Notification
from collector.errors import InvalidDefinition
from collector.expressions import Altered, matched, read_path
from collector.expressions import Path as Way
from collector.mapping import MeterMapping

ENTRY = """
service: x
notifications:
- events: [a.b]
  resource: payload.id
  meters: [{name: m, unit: B, volume: 1}]
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["x.yaml"]),
        ("service: [", ["x.yaml", "line"]),
        ("service: x", ["x.yaml", "notifications"]),
        (ENTRY.replace("unit: B, ", ""), ["x.yaml", "`unit`", "notifications[0].meters[0]"]),
        (ENTRY.replace("name: m", "nmae: m"), ["x.yaml", "`nmae`", "notifications[0].meters[0]"]),
        (ENTRY.replace("volume: 1", "volume: 1, type: rate"), ["x.yaml", "'rate'", "meters[0].type"]),
        (ENTRY.replace("a.b", "a*"), ["x.yaml", "'a*'", "notifications[0]"]),
        (ENTRY.replace("payload.id", "payload..id"), ["x.yaml", "payload..id", "notifications[0]"]),
        (ENTRY.replace("payload.id", "payload.id."), ["x.yaml", "notifications[0]"]),
        (ENTRY.replace("payload.id", "''"), ["x.yaml", "notifications[0]"]),
        (
            ENTRY.replace("payload.id", "{path: payload.id, text: x}"),
            ["x.yaml", "one of", "notifications[0]"],
        ),
        (ENTRY.replace("payload.id", "{separator: x}"), ["x.yaml", "one of", "notifications[0]"]),
        (ENTRY.replace("payload.id", "{path: payload.id, match: '('}"), ["'('", "notifications[0]"]),
        (ENTRY + "  metadata: {x: payload.auth_token}", ["'x'", "secret", "notifications[0]"]),
        (ENTRY.replace("payload.id", "__import__('os')[x"), ["x.yaml", "notifications[0]"]),
        ("!!python/object/apply:os.system ['true']", ["x.yaml", "python/object"]),
    ],
)
def test_a_wrong_definition_is_named_by_file_entry_and_key(text: str, names: list[str]) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        list(read_definitions("x.yaml", text))

    for name in names:
        assert name in str(caught.value)


def test_a_folder_of_ones_own_adds_definitions(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(ENTRY)

    assert len(load_definitions(tmp_path)) == len(load_definitions()) + 1


def test_the_example_of_the_reference_is_a_definition() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "reference", "notifications.md").read_text()

    (entry,) = read_definitions("notifications.md", page.partition("```yaml")[2].partition("```")[0])

    assert len(entry.meters) == 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff")

    with pytest.raises(InvalidDefinition, match="cannot be read"):
        load_definitions(tmp_path)


DOCUMENT = {
    "payload": {
        "a.b": {"c": 1},
        "empty": "",
        "zero": 0,
        "list": [{"name": "cpu.percent", "value": 0.5}, {"name": "x", "value": 2}],
        "versioned": {"nova_object.data": {"flavor": {"nova_object.data": {"vcpus": 4}}}},
        "ironic": {"ironic_object.name": "NodePayload", "ironic_object.data": {"power_state": "power on"}},
        "sensors": {
            "Temp1 (0x1)": {"reading": "26 (+/- 0.500) degrees C"},
            "Temp2 (0x2)": {"reading": "Disabled"},
        },
        "text": "host@lvm#pool",
        "start": "2026-01-01T00:00:05Z",
        "end": "2026-01-01 00:00:00",
    }
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("payload.zero", 0),
        ("payload.none", None),
        ("payload.none.deeper", None),
        ("payload.empty", None),
        ("payload.empty | payload.none | payload.zero", 0),
        ('payload."a.b".c', 1),
        ("payload.list.1.value", 2),
        ("payload.list.7.value", None),
        ("payload.list[name=cpu.percent].value", 0.5),
        ("payload.list[name=y].value", None),
        ("payload.text[name=y].value", None),
        ("payload.text.0", None),
        ("payload.versioned.flavor.vcpus", 4),
        ("payload.ironic.power_state", "power on"),
        ("payload.sensors.*", [{"reading": "26 (+/- 0.500) degrees C"}, {"reading": "Disabled"}]),
        ("payload.list.*", [{"name": "cpu.percent", "value": 0.5}, {"name": "x", "value": 2}]),
        ("payload.text.*", None),
    ],
)
def test_a_path_finds_what_stands_there(path: str, expected: object) -> None:
    assert read_path(path).value(DOCUMENT) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{join: [payload.text, payload.text], separator: _}", "host@lvm#pool_host@lvm#pool"),
        ("{join: [payload.text, payload.list.0.value]}", None),
        ("{join: [{text: a}, {path: payload.text, match: '#(.*)'}], separator: .}", "a.pool"),
        ("{seconds_between: [payload.start, payload.end]}", 5),
        ("{seconds_between: [payload.start, payload.text]}", None),
        ("{seconds_between: [payload.start, payload.end], times: 2}", 10),
        ("{path: payload.text, match: '[^#]*'}", "host@lvm"),
        ("{path: payload.text, match: '[0-9]+'}", None),
        ("{path: payload.zero, match: '0'}", None),
        ("{path: 'payload.sensors.\"Temp1 (0x1)\".reading', match: '^-?[0-9.]+'}", "26"),
        (
            "{path: 'payload.sensors.\"Temp1 (0x1)\".reading', match: '[^ ]+$', names: {C: Celsius}}",
            "Celsius",
        ),
        ("{path: payload.text, names: {x: y}}", "host@lvm#pool"),
        ("{path: payload.flavour, default: m1}", "m1"),
        ("{path: payload.zero, default: 1}", 0),
        ("{text: 'A Fan', lower: true, replace: {' ': _}}", "a_fan"),
        ("{path: payload.zero, lower: true, replace: {' ': _}, names: {x: y}}", 0),
        ("{path: payload.list.0.value, times: 100}", 50),
        ("{path: payload.text, times: 100}", "host@lvm#pool"),
    ],
)
def test_a_value_is_altered_in_the_order_of_the_reference(value: str, expected: object) -> None:
    (entry,) = read_definitions("x.yaml", ENTRY.replace("volume: 1", f"volume: {value}"))

    assert entry.meters[0].volume.value(DOCUMENT) == expected


def test_a_pattern_sees_only_the_beginning_of_a_long_text() -> None:
    assert Altered(read_path("long"), (matched("b"),)).value({"long": "a" * 1024 + "b"}) is None


def test_a_notification_may_name_its_meters_and_their_units() -> None:
    definition = """
service: x
notifications:
- events: [a.b]
  each: payload.things.*
  resource: key
  meters:
  - {name: {join: [{text: thing}, item.name], separator: .}, unit: {path: item.unit}, volume: item.value}
"""
    things = {"one": {"name": "x", "unit": "B", "value": 1}, "two": {"name": "y", "unit": "s", "value": 2}}
    mapping = MeterMapping(read_definitions("x.yaml", definition))

    drafts = mapping.drafts(Notification("m", "p", "a.b", "info", {"things": things}, "2026-01-01T00:00:00"))

    assert [(draft.resource_id, draft.meter, draft.unit) for draft in drafts] == [
        ("one", "thing.x", "B"),
        ("two", "thing.y", "s"),
    ]


def test_versioned_objects_nested_without_end_exhaust_nothing() -> None:
    value: object = 1
    for _ in range(100_000):
        value = {"nova_object.data": value}

    assert Way((("a",),)).value(value) is None


@pytest.mark.parametrize(
    ("event_type", "meters"),
    [
        ("l3.meter", ["bandwidth"]),
        ("l3.meter.300", ["bandwidth"]),
        ("l3.meters", []),
        ("l3xmeter", []),
        ("compute.instance", []),
        ("volume.create.end", ["volume.size"]),
        ("volume.transfer.create.end", []),
        ("network.create.start", []),
        ("network.delete.end", []),
    ],
)
def test_definitions_are_found_by_whole_words_of_the_event_type(event_type: str, meters: list[str]) -> None:
    mapping = MeterMapping(load_definitions())
    payload = {"label_id": "i", "bytes": 1, "volume_id": "i", "size": 1, "network": {"id": "i"}}

    drafts = mapping.drafts(Notification("m", "p", event_type, "info", payload, "2026-01-01T00:00:00"))

    assert [draft.meter for draft in drafts] == meters
