from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ceilometer_files.meters import load_meters, with_meters
from collector.definitions import read_definitions
from collector.draft import Draft
from collector.envelope import Notification
from collector.errors import InvalidDefinition
from collector.mapping import MeterMapping
from collector.normalize import Unfit, normalize
from storage.sample import Sample

FILE = Path(__file__).with_name("meters.yaml")
MAPPING = MeterMapping(load_meters([("meters.yaml", FILE.read_text())]))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
PAYLOAD = {
    "id": "t-1", "tenant_id": "p-1", "user_id": "u-1", "size": 5, "host": "h#pool#x", "zone": "", "pw": "s3cret",
    "readings": [{"name": "other", "value": 1}, {"name": "load", "value": 0.25, "at": "2026-01-01T00:00:01"}],
    "made": "2026-01-01 00:00:10", "seen": "2026-01-01T00:00:00Z", "metadata": {"metering.a.b": "c", "other": "d"},
}  # fmt: skip
NOTIFICATION = Notification(
    "m-1", "svc.h", "thing.exists", "info", PAYLOAD, "2026-01-01T01:00:00", {"user_id": "caller", "project_id": "svc"}
)  # fmt: skip
METER = """
metric:
- name: m
  event_type: a.b
  type: gauge
  unit: B
  volume: $.payload.x
  resource_id: $.payload.id
"""


def readings(event_type: str, payload: object = PAYLOAD) -> list[Draft]:
    return MAPPING.drafts(replace(NOTIFICATION, event_type=event_type, payload=payload))


def test_a_file_of_ceilometer_gives_the_samples_it_describes() -> None:
    size, load, age = sorted(readings("thing.exists"), key=lambda draft: str(draft.meter), reverse=True)

    assert (size.meter, size.type, size.unit, size.volume) == ("thing.size", "gauge", "GiB", 5)
    assert (size.resource_id, size.project_id, size.user_id) == ("t-1", "p-1", "u-1")
    assert size.metadata == {"pool": "pool#x", "user_metadata": {"a_b": "c"}}
    assert size.timestamp == "2026-01-01T01:00:00"
    assert (load.meter, load.volume, load.resource_id) == ("thing.load", 25.0, "h#pool#x_t-1")
    assert load.timestamp == "2026-01-01T00:00:01"
    assert load.metadata == {"pool": "pool#x", "source": "svc.h"}
    assert (age.meter, age.volume, age.type) == ("thing.age", 10, "cumulative")
    assert age.metadata == {**PAYLOAD, "event_type": "thing.exists", "host": "svc.h"}


def test_event_types_match_from_their_beginning_as_regular_expressions() -> None:
    assert [draft.meter for draft in readings("thing.create.end")] == ["thing.size"]
    assert len(readings("thing.exists.more")) == 3
    assert readings("another.thing.exists") == []


def test_the_project_is_that_of_the_payload_and_never_the_senders() -> None:
    owned = readings("thing.login", {"outcome": "ok", "id": "t-1", "project_id": "p-2"})
    nobody = readings("thing.login", {"outcome": "ok", "id": "t-1"})

    assert [(draft.meter, draft.project_id, draft.user_id) for draft in owned + nobody] == [
        ("thing.login.ok", "p-2", "caller"),
        ("thing.login.ok", None, "caller"),
    ]


def test_a_missing_number_is_no_sample_and_a_wrong_one_is_left_to_be_refused() -> None:
    assert readings("thing.create.end", {"id": "t-1"}) == []
    assert readings("thing.create.end", {"id": "t-1", "size": "unknown"}) == []
    assert [draft.volume for draft in readings("thing.create.end", {"id": "t-1", "size": {}})] == [{}]


def test_a_notification_with_several_meters_gives_a_sample_of_each() -> None:
    measurements = [
        {"metric": {"name": "in", "unit": "B"}, "result": 7},
        {"metric": {"name": "calls", "unit": "request"}, "result": 1},
    ]

    drafts = readings("thing.used", {"id": "t-1", "project_id": "p", "measurements": measurements})

    assert [(draft.meter, draft.unit, draft.volume, draft.resource_id) for draft in drafts] == [
        ("in", "B", 7, "t-1"),
        ("calls", "request", 1, "t-1"),
    ]
    assert len({draft.id for draft in drafts}) == 2


@pytest.mark.parametrize(
    "measurements",
    [None, [], "x", [{"metric": {"name": "in", "unit": "B"}}], [{"metric": {"name": "in"}, "result": 7}]],
)
def test_unequal_lists_of_attributes_give_no_sample(measurements: object) -> None:
    assert readings("thing.used", {"id": "t-1", "measurements": measurements}) == []


def test_an_operators_meter_takes_the_place_of_the_packaged_one() -> None:
    packaged = read_definitions(
        "x.yaml",
        "service: x\nnotifications:\n- events: [thing.*]\n  resource: payload.id\n  meters:\n"
        "  - {name: thing.size, unit: B, volume: payload.bytes}\n"
        "  - {name: in, type: delta, unit: B, volume: 99}\n"
        "  - {name: thing.more, unit: B, volume: 1}\n",
    )
    mapping = MeterMapping(with_meters(packaged, load_meters([("meters.yaml", FILE.read_text())])))
    payload = {
        "id": "t-1",
        "bytes": 1,
        "measurements": [{"metric": {"name": "in", "unit": "B"}, "result": 7}],
    }

    deleted = mapping.drafts(replace(NOTIFICATION, event_type="thing.delete.end", payload=payload))
    used = mapping.drafts(replace(NOTIFICATION, event_type="thing.used", payload=payload))

    assert [(draft.meter, draft.volume) for draft in deleted] == [("in", 99), ("thing.more", 1)]
    assert [(draft.meter, draft.volume) for draft in used] == [("in", 7), ("thing.more", 1)]


def test_of_two_definitions_of_a_meter_the_first_files_last_one_counts() -> None:
    first = METER + METER.replace("metric:\n", "").replace("unit: B", "unit: KB")
    mapping = MeterMapping(load_meters([("a.yaml", first), ("b.yaml", METER.replace("unit: B", "unit: MB"))]))

    (draft,) = mapping.drafts(replace(NOTIFICATION, event_type="a.b", payload={"x": 1, "id": "i"}))

    assert draft.unit == "KB"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("metric: [", ["m.yaml", "line"]),
        ("[]", ["m.yaml", "array"]),
        ("metrics: []", ["m.yaml", "metric"]),
        (METER.replace("  unit: B\n", ""), ["m.yaml", "`unit`", "$.metric[0]"]),
        (METER.replace("unit: B", "unti: B"), ["m.yaml", "$.metric[0]"]),
        (METER.replace("gauge", "rate"), ["m.yaml", "'rate'", "$.metric[0]"]),
        (METER.replace("a.b", "'a('"), ["m.yaml", "event_type", "'a('", "$.metric[0]"]),
        (METER.replace("$.payload.x", "$.payload.["), ["m.yaml", "volume", "$.payload.[", "$.metric[0]"]),
        (METER + "  metadata: {x: '$.a &'}", ["m.yaml", "metadata.x", "$.metric[0]"]),
        (METER + "  lookup: [name, user_id]", ["m.yaml", "lookup", "'user_id'", "$.metric[0]"]),
        (
            METER.replace("volume: $.payload.x", "volume: {fields: [$.a], plugin: exec}"),
            ["m.yaml", "volume", "no plugin 'exec'", "$.metric[0]"],
        ),
    ],
)
def test_a_wrong_definition_is_named_by_file_entry_and_key(text: str, names: list[str]) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        load_meters([("m.yaml", text)])

    for name in names:
        assert name in str(caught.value)


KEYS = [
    "id",
    "size",
    "host",
    "zone",
    "readings",
    "name",
    "value",
    "at",
    "made",
    "seen",
    "metadata",
    "outcome",
]
LISTS = ["measurements", "metric", "unit", "result", "tenant_id", "user_id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("load"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + LISTS), inner, max_size=8)
    ),
    max_leaves=25,
)


@given(payload=JSON, kind=st.sampled_from(["thing.exists", "thing.login", "thing.used"]))
@settings(max_examples=200, deadline=None)
def test_whatever_is_sent_gives_samples_or_reasons_to_refuse_it(payload: object, kind: str) -> None:
    for draft in readings(kind, payload):
        assert isinstance(normalize(draft, NOW), Sample | Unfit)
