"""The bytes of agents' batches of version 2, made well and made badly."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.columns import join
from collector.envelope import decode_batch, decode_drafts, encode_batch
from collector.errors import InvalidMessage
from collector.frame import MAGIC, samples_in, take_apart
from storage.sample import INT64_MAX, INT64_MIN, Sample, make_id
from tests.collector.factories import NOW, SAMPLE, first_version, good

COUNTS = struct.Struct("<4I4Bq")
QUICK = settings(max_examples=150, deadline=None)
TEXT = st.text(max_size=12)
SAMPLES = st.builds(
    Sample,
    meter=st.sampled_from(["cpu", "memory", "\ud800"]),
    type=st.sampled_from(["gauge", "cumulative", "delta"]),
    unit=TEXT,
    volume=st.integers(-(2**70), 2**70) | st.floats(allow_nan=False),
    resource_id=TEXT,
    project_id=st.none() | st.text(min_size=1, max_size=9),
    timestamp=st.integers(-(2**40), 2**40).map(lambda step: NOW + timedelta(microseconds=step)),
    user_id=st.none() | TEXT,
    source=TEXT,
    metadata=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-5, 5) | TEXT, max_size=3),
    generation=st.none() | TEXT,
)


def identified(samples: list[Sample]) -> list[Sample]:
    return [
        replace(sample, id=make_id(str(number))) if sample.type == "delta" else sample
        for number, sample in enumerate(samples)
    ]


def parts(body: bytes) -> tuple[list[int], list[object], bytes]:
    """The counts of a batch, its names, and its columns."""
    begin = len(MAGIC) + COUNTS.size
    counts = list(COUNTS.unpack_from(body, len(MAGIC)))
    return counts, json.loads(body[begin : begin + counts[0]]), body[begin + counts[0] :]


def put_together(counts: list[int], names: object, columns: bytes) -> bytes:
    text = names if isinstance(names, bytes) else json.dumps(names).encode()
    return MAGIC + COUNTS.pack(len(text), *counts[1:]) + text + columns


@QUICK
@given(st.lists(SAMPLES, max_size=12).map(identified))
def test_every_sample_comes_back_and_equal_samples_make_equal_bytes(samples: list[Sample]) -> None:
    body = encode_batch(samples)

    assert sorted(map(repr, decode_batch(body))) == sorted(map(repr, samples))
    assert encode_batch(samples) == body


def test_a_host_with_ten_meters_takes_few_bytes_a_reading() -> None:
    samples = [
        replace(
            SAMPLE, resource_id=f"vm-{vm}", meter=f"meter-{meter}", timestamp=NOW + timedelta(minutes=minute)
        )
        for minute in range(25)
        for vm in range(20)
        for meter in range(10)
    ]

    assert len(encode_batch(samples)) < 9 * len(samples)
    assert len(encode_batch(samples)) * 10 < len(first_version(*samples))


def test_a_message_says_how_many_samples_it_has_before_it_is_read() -> None:
    body = encode_batch([good(1), good(2), replace(good(3), type="delta", id=make_id("3"))])

    assert samples_in(body) == 3
    assert samples_in(first_version(good(1), good(2))) == 1
    assert samples_in(MAGIC) == 1


@pytest.mark.parametrize("volume", [INT64_MIN, INT64_MAX, 2**63, -(2**80), 0.1, -0.0, float("inf"), True])
def test_numbers_travel_unchanged_also_those_that_fit_no_column(volume: float) -> None:
    (draft,) = decode_drafts(encode_batch([replace(SAMPLE, volume=volume)]))

    assert repr(draft.volume) == repr(volume)


def test_no_beginning_of_a_batch_and_nothing_longer_is_a_batch() -> None:
    body = encode_batch([good(1), replace(good(2), type="delta", id=make_id("2"))])

    for cut in [body[:size] for size in range(len(body))] + [body + b"\0"]:
        with pytest.raises(InvalidMessage):
            list(decode_drafts(cut))


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("value", [0, 1, 3, 255, 2**32 - 1])
def test_wrong_counts_are_refused_or_make_readings_to_judge(place: int, value: int) -> None:
    counts, names, columns = parts(encode_batch([good(1), good(2)]))
    text = json.dumps(names).encode()
    counts[place] = value if place < 4 else value % 256
    body = MAGIC + COUNTS.pack(*counts) + text + columns

    try:
        drafts = list(decode_drafts(body))
    except InvalidMessage:
        return
    assert len(drafts) <= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda names: [],
        lambda names: {"a": 1},
        lambda names: [*names, 1],
        lambda names: [*names[:4], [[]], names[5]],
        lambda names: [*names[:4], [[0, 0]], names[5]],
        lambda names: [*names[:4], [], names[5]],
        lambda names: [*names[:4], 7, names[5]],
        lambda names: [*names[:5], None],
        lambda names: b"[" * 100_000 + b"]" * 100_000,
        lambda names: b"\xff\xfe",
        lambda names: b"",
    ],
)
def test_names_of_another_form_are_refused(change: Callable[[list[object]], object]) -> None:
    counts, names, columns = parts(encode_batch([good(1), good(2)]))

    with pytest.raises(InvalidMessage):
        list(decode_drafts(put_together(counts, change(names), columns)))


@pytest.mark.parametrize(
    ("place", "names"),
    [
        (0, [None, ["vm", None]]),
        (0, [["vm"], ["vm", None]]),
        (0, []),
        (1, []),
        (2, [[1, 2, 3]]),
        (2, [[None, "s", None, 1]]),
        (2, [[None, "s", None, -1]]),
        (2, [[None, "s", None, False]]),
        (3, [["m"]]),
        (3, []),
    ],
)
def test_a_reading_whose_names_are_missing_stands_alone(place: int, names: list[object]) -> None:
    counts, lists, columns = parts(encode_batch([good(1), good(2)]))
    lists[place] = names

    drafts = list(decode_drafts(put_together(counts, lists, columns)))

    assert len(drafts) == 2
    assert drafts[0].flaw is not None


@QUICK
@given(st.data())
def test_flipped_bytes_never_do_more_than_change_readings(data: st.DataObject) -> None:
    samples = [good(1), good(2), replace(good(3), type="delta", id=make_id("3"))]
    body = bytearray(encode_batch(samples))
    for place in data.draw(st.lists(st.integers(len(MAGIC), len(body) - 1), max_size=5)):
        body[place] = data.draw(st.integers(0, 255))

    try:
        parts = take_apart(bytes(body))
        found = join([parts])
        drafts = list(decode_drafts(bytes(body)))
    except InvalidMessage:
        return
    assert len(drafts) >= len(found.polled.readings) + len(found.deltas.ts) == len(parts)
