"""Frames are settled as columns exactly as they would be reading by reading."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.checking import Checker
from collector.envelope import encode_batch
from collector.frame import Parts, take_apart
from collector.pipeline import Message, Pipeline
from collector.remembered import Remembered
from storage.ingest.batch import SampleBatch
from storage.sample import INT64_MAX, INT64_MIN, Sample, make_id
from tests.collector.factories import MAPPING, NOW, SAMPLE, StubPublisher, batch, good, metrics

CLEAN = [
    good(1),
    replace(good(2), meter="cpu_util", unit="%", volume=1.5),
    replace(good(1), meter="cpu", type="cumulative", unit="ns", volume=INT64_MAX, generation="boot-1"),
    replace(good(3), project_id=None, metadata={"name": "é", "list": [1, {"a": None}], "password": "x"}),
    replace(good(4), type="delta", meter="image.serve", id=make_id("4")),
]
TEXTS = st.sampled_from(["", "a", "B", "%", "ns", "x" * 255, "x" * 256, "a\0b", "\ud800", "é"])
VOLUMES = st.sampled_from(
    [0, 7, -7, 0.0, -0.0, 7.0, 7.5, -7.5, 2**53, 2**53 + 1, INT64_MAX, INT64_MIN, 2**63, 9.3e18, -9.3e18]
) | st.sampled_from([float("nan"), float("inf"), 1e300, True, None, "7"])
METADATA = st.sampled_from(
    [{}, {"a": 1}, {"token": "x"}, {"n": "a\0b"}, {"deep": {"er": [1.5, None]}}, {"long": "y" * 9000}]
)
MOMENTS = st.sampled_from([-1, 0, 1, 300_000_000, 300_000_001, -(2**55), 2**55]).map(
    lambda step: NOW + timedelta(microseconds=step)
)
CHANGES: list[st.SearchStrategy[dict[str, object]]] = [
    st.fixed_dictionaries({"meter": TEXTS}),
    st.fixed_dictionaries({"unit": TEXTS, "volume": VOLUMES}),
    st.fixed_dictionaries({"volume": VOLUMES}),
    st.fixed_dictionaries({"type": st.sampled_from(["gauge", "cumulative", "delta", "other"])}),
    st.fixed_dictionaries({"resource_id": TEXTS, "project_id": TEXTS | st.none()}),
    st.fixed_dictionaries({"user_id": TEXTS, "source": TEXTS, "generation": TEXTS}),
    st.fixed_dictionaries({"metadata": METADATA}),
    st.fixed_dictionaries({"timestamp": MOMENTS}),
    st.fixed_dictionaries({"id": st.sampled_from([None, bytes(16), b"short", make_id("x")])}),
]
READINGS = st.builds(
    lambda sample, changes: replace(sample, **changes),
    st.sampled_from(CLEAN),
    st.one_of(st.just({}), *CHANGES),
)


class Doubting(Checker):
    """Leaves everything to be read slowly."""

    def settle(self, frames: Sequence[Parts], received_at: datetime) -> SampleBatch | None:
        return None


def outcome(messages: list[Message], checker: Checker) -> tuple[list[str], list[str]]:
    publisher = StubPublisher()
    pipeline = Pipeline(publisher, MAPPING, metrics())
    pipeline._checker = checker
    pipeline.process(messages)
    return (
        sorted(map(repr, publisher.samples)),
        sorted(repr((refused.reason, refused.body, refused.received_at)) for refused in publisher.refused),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(READINGS, max_size=5), min_size=1, max_size=3), st.sampled_from([0, 1, 400]))
def test_both_ways_lead_to_the_same_samples_and_refusals(bodies: list[list[Sample]], later_s: int) -> None:
    arrivals = [NOW + timedelta(seconds=later_s * place) for place in range(len(bodies))]
    messages = [
        Message(encode_batch(samples), "agent", at) for samples, at in zip(bodies, arrivals, strict=True)
    ]

    assert outcome(messages, Checker()) == outcome(messages, Doubting())


def test_clean_frames_are_settled_together_in_their_order() -> None:
    frames = [
        take_apart(encode_batch(CLEAN[:2])),
        take_apart(encode_batch([good(5), good(6)])),
        take_apart(encode_batch([])),
    ]

    settled = Checker().settle(frames, NOW)

    assert settled is not None
    assert settled.samples() == [*CLEAN[:2], good(5), good(6)]


def test_names_known_from_another_message_are_not_looked_at_again() -> None:
    checker, frame = Checker(), take_apart(encode_batch(CLEAN))
    first, second = checker.settle([frame], NOW), checker.settle([frame], NOW)

    assert first is not None
    assert second is not None
    assert all(one is other for one, other in zip(first.versions, second.versions, strict=True))


@pytest.mark.parametrize(
    "doubtful",
    [
        replace(SAMPLE, volume=float("nan")),
        replace(SAMPLE, type="cumulative", volume=-1),
        replace(SAMPLE, type="delta"),
        replace(SAMPLE, timestamp=NOW + timedelta(minutes=5, microseconds=1)),
        replace(SAMPLE, resource_id=""),
        replace(SAMPLE, volume=2**64),
    ],
)
def test_a_doubtful_reading_leaves_the_frames_beside_its_own_fast(doubtful: Sample) -> None:
    checker = Checker()
    sent = [take_apart(encode_batch([good(1), doubtful])), take_apart(encode_batch([good(2)]))]

    assert checker.settle(sent, NOW) is None
    assert checker.settle(sent[:1], NOW) is None
    assert checker.settle(sent[1:], NOW) is not None


def test_a_large_message_is_published_in_pieces() -> None:
    publisher = StubPublisher()
    samples = [good(number) for number in range(30)]

    Pipeline(publisher, MAPPING, metrics(), batch_size=7).process([batch(*samples)])

    assert publisher.samples == samples
    assert publisher.attempts == 5


def test_what_is_seldom_used_is_forgotten_and_what_is_used_stays() -> None:
    remembered: Remembered[int] = Remembered(limit_bytes=3)
    for number in range(50):
        remembered.put(b"text-%02d" % number, number, weight=1)
        remembered.get(b"text-00")

    assert remembered.get(b"text-00") == 0
    assert remembered.get(b"text-05") is None
