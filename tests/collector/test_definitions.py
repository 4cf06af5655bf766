from pathlib import Path

import pytest

from collector.definitions import load_definitions, read_definitions
from collector.envelope import Notification
from collector.errors import InvalidDefinition
from collector.expressions import Before, Joined, Scaled, SecondsBetween, read_path
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
        ("service: [", ["x.yaml", "line 1"]),
        ("service: x", ["x.yaml", "notifications"]),
        (ENTRY.replace("unit: B, ", ""), ["x.yaml", "`unit`", "notifications[0].meters[0]"]),
        (ENTRY.replace("name: m", "nmae: m"), ["x.yaml", "`nmae`", "notifications[0].meters[0]"]),
        (ENTRY.replace("volume: 1", "volume: 1, type: rate"), ["x.yaml", "'rate'", "meters[0].type"]),
        (ENTRY.replace("a.b", "a*"), ["x.yaml", "'a*'", "notifications[0]"]),
        (ENTRY.replace("payload.id", "payload..id"), ["x.yaml", "payload..id", "notifications[0]"]),
        (ENTRY.replace("payload.id", "payload.id."), ["x.yaml", "notifications[0]"]),
        (ENTRY.replace("payload.id", "''"), ["x.yaml", "notifications[0]"]),
        (ENTRY.replace("payload.id", "{path: payload.id}"), ["x.yaml", "notifications[0]"]),
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
    ],
)
def test_a_path_finds_what_stands_there(path: str, expected: object) -> None:
    assert read_path(path).value(DOCUMENT) == expected


def test_values_can_be_joined_cut_scaled_and_subtracted() -> None:
    text, number = read_path("payload.text"), read_path("payload.list.0.value")
    start, end = read_path("payload.start"), read_path("payload.end")

    assert Joined((text, text), "_").value(DOCUMENT) == "host@lvm#pool_host@lvm#pool"
    assert Joined((text, number), "_").value(DOCUMENT) is None
    assert Before(text, "#").value(DOCUMENT) == "host@lvm"
    assert Before(number, "#").value(DOCUMENT) is None
    assert Scaled(number, 100).value(DOCUMENT) == 50
    assert Scaled(text, 100).value(DOCUMENT) == "host@lvm#pool"
    assert SecondsBetween(start, end).value(DOCUMENT) == 5
    assert SecondsBetween(start, text).value(DOCUMENT) is None


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
