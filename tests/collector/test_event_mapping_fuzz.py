import json
from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ceilometer_files.events import load_rules
from collector.event_definitions import event_rules_of
from collector.event_mapping import EventMapping
from collector.service_files import read_service_file
from tests.collector.test_event_mapping import NOTIFICATION, NOW, RULES

KEYS = [
    "owner",
    "by",
    "name",
    "size",
    "load",
    "made",
    "zone",
    "full_name",
    "tenant_id",
    "project_id",
    "user_id",
]
TYPES = {"text": str, "integer": int, "float": float, "datetime": datetime}

CEILOMETER = """
- event_type: thing.other
  traits: {x: {fields: "payload..name"}}
- event_type: thing.create.*
  traits:
    all: {fields: "payload.*"}
    total: {fields: "payload.size * 2 + payload.load", type: float}
    age: {fields: [payload.made, metadata.timestamp], plugin: timedelta, type: float}
    piece: {fields: payload.name, plugin: split}
    found: {fields: "payload[*].name[?size>1]"}
    bits:
      fields: payload.name
      type: int
      plugin: {name: bitfield, parameters: {flags: [{path: payload.name, bit: 3}]}}
    kind: {fields: payload.name, plugin: {name: map, parameters: {values: {1: one}, default: none}}}
"""
RULES_OF_BOTH = [
    *event_rules_of(read_service_file("x.yaml", RULES)),
    *(replace(rule, replaces=False) for rule in load_rules([("e.yaml", CEILOMETER)])),
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just("2026-01-01T00:00:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)


@given(payload=JSON, context=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3), timestamp=JSON)
@settings(max_examples=200, deadline=None)
def test_whatever_is_sent_becomes_an_event_that_can_be_kept(
    payload: object, context: dict[str, object], timestamp: object
) -> None:
    told = replace(NOTIFICATION, payload=payload, context=context, timestamp=timestamp)

    event = EventMapping([*RULES_OF_BOTH], store_raw=frozenset({"info"})).event(told, NOW)

    assert event is not None
    for trait in event.traits:
        assert isinstance(trait.value, TYPES[trait.type])
        if isinstance(trait.value, str):
            assert len(trait.value) <= 255
            trait.value.encode()
    json.dumps(event.raw, allow_nan=False).encode()
