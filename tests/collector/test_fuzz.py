import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.ceilometer import ceilometer_drafts
from collector.draft import Draft
from collector.envelope import decode_drafts, decode_notification, encode_batch
from collector.errors import InvalidMessage
from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.normalize import Unfit, normalize
from storage.sample import INT64_MAX, INT64_MIN, Sample
from tests.collector.corpus import RECORDED
from tests.collector.factories import MAPPING, NOW, SAMPLE, first_version, notification, polled

RULES = EventMapping(load_event_rules())
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.sampled_from(
    ["compute.instance.exists", "instance.exists", "metrics.update", "compute.metrics.update", "volume.exists",
     "capacity.pool.x", "image.send", "l3.meter", "network.exists", "compute.instance.create.end"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["volume_id", "size", "uuid", "flavor", "memory_mb", "metrics", "network", "label_id", "bytes", "name_to_id",
     "glance_metadata", "nova_object.data", "metadata", "created_at", "launched_at", "instance_id", "host"]
)  # fmt: skip


def is_countable(volume: object) -> bool:
    """Whether a volume can be counted: an int within 64 bits or a finite float, and no bool."""
    if isinstance(volume, bool):
        return False
    if isinstance(volume, int):
        return INT64_MIN <= volume <= INT64_MAX
    return isinstance(volume, float) and math.isfinite(volume)


def check(draft: Draft) -> None:
    """A draft becomes a sample any database can keep, or a reason."""
    result = normalize(draft, NOW)
    if isinstance(result, Unfit):
        assert result.reason
        return
    assert is_countable(result.volume)
    json.dumps([result.meter, result.resource_id, result.project_id, result.metadata], allow_nan=False)
    for text in (
        result.meter,
        result.resource_id,
        result.unit,
        result.project_id or "",
        str(result.metadata),
    ):
        assert "\0" not in text
        text.encode()


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_are_a_notification_or_invalid(body: bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        decode_notification(body)


@QUICK
@given(EVENTS, st.dictionaries(KEYS, ANYTHING, max_size=6), ANYTHING)
def test_any_payload_becomes_samples_or_reasons(
    event: str, payload: dict[str, object], moment: object
) -> None:
    body = json.dumps(notification(event_type=event, payload=payload, timestamp=moment)).encode()

    for draft in MAPPING.drafts(decode_notification(body)):
        check(draft)


@QUICK
@given(st.sampled_from(RECORDED), st.integers(0, 10**6), ANYTHING)
def test_any_change_of_a_recorded_notification_leaves_samples_or_reasons_and_an_event(
    path: Path, place: int, value: object
) -> None:
    told = json.loads(path.read_text())
    places = list(_places(told, "payload"))
    holder, key = places[place % len(places)]
    holder[key] = value
    changed = decode_notification(json.dumps(told).encode())

    for draft in MAPPING.drafts(changed):
        check(draft)
    event = RULES.event(changed, NOW)
    assert event is not None
    for text in (event.project_id or "", event.user_id or "", *(str(one.value) for one in event.traits)):
        assert "\0" not in text
        text.encode()


def _places(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:  # JSON, as Python has it
    """Every place in a tree of JSON, as what holds it and under which key or number."""
    yield holder, key
    inner = holder[key]
    if isinstance(inner, dict | list):
        for deeper in list(inner) if isinstance(inner, dict) else range(len(inner)):
            yield from _places(inner, deeper)


@QUICK
@given(st.sampled_from(sorted(polled())), ANYTHING)
def test_any_polled_sample_becomes_a_sample_or_a_reason(field: str, value: object) -> None:
    body = json.dumps(notification(event_type="metering", payload=[polled(**{field: value})])).encode()

    for draft in ceilometer_drafts(decode_notification(body), None):
        check(draft)


@QUICK
@given(st.integers(0, 12), ANYTHING)
def test_any_reading_of_a_batch_becomes_a_sample_or_a_reason(place: int, value: object) -> None:
    batch = json.loads(first_version(SAMPLE))
    batch[3][0][place : place + 1] = [value]

    for draft in decode_drafts(json.dumps(batch).encode()):
        check(draft)


@QUICK
@given(
    st.binary(max_size=60),
    st.integers(0, 300),
    st.sampled_from([encode_batch([SAMPLE]), first_version(SAMPLE)]),
)
def test_damaged_batches_are_batches_or_invalid(noise: bytes, place: int, body: bytes) -> None:
    try:
        drafts = list(decode_drafts(body[:place] + noise + body[place + len(noise) :]))
    except InvalidMessage:
        return
    for draft in drafts:
        assert isinstance(normalize(draft, NOW), Sample | Unfit)
