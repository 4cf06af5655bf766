"""Readings that a notification gives of one resource are settled at once, and as each of them would be alone."""

from pathlib import Path
from typing import Any

import pytest

from collector.definitions import load_definitions
from collector.draft import Told
from collector.envelope import Notification, decode_notification
from collector.mapping import MeterMapping
from collector.message import Message
from collector.normalize import normalize, normalize_together
from collector.pending import Pending
from collector.publishers import Rejected
from storage.ingest.together import arrange_together
from storage.sample import Sample
from tests.collector.corpus import RECORDED, name_of
from tests.collector.factories import NOW, StubPublisher, message, pipeline

MAPPING = MeterMapping(load_definitions())
ID = bytes(16)
GAUGE, COUNTER, DELTA = (
    ("memory", "gauge", "MB", 512, None),
    ("cpu", "cumulative", "ns", "12", None),
    ("network.bytes", "delta", "B", 1.5e3, ID),
)


def told(*readings: object, **others: object) -> Told:
    fields: dict[str, Any] = {
        "resource_id": "r-1",
        "project_id": "p-1",
        "timestamp": NOW.isoformat(),
        "user_id": None,
        "metadata": {"host": "c-1", "token": "secret"},
        "readings": list(readings),
    }
    return Told(**fields | others)


def alone(found: Told) -> list[Sample]:
    samples = [normalize(draft, NOW) for draft in found.drafts()]
    return [sample for sample in samples if isinstance(sample, Sample)]


def together(*all_told: Told) -> list[Sample]:
    found = [normalize_together(one, NOW) for one in all_told]
    return arrange_together([one for one in found if one is not None]).samples()


def sorted_by_meter(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: (sample.resource_id, sample.meter, sample.volume))


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_what_is_settled_together_is_what_each_reading_comes_to_alone(path: Path) -> None:
    found = MAPPING.told(decode_notification(path.read_bytes()))

    samples = together(*found)

    assert sorted_by_meter(samples) == sorted_by_meter([sample for one in found for sample in alone(one)])


def test_readings_of_all_types_in_any_order_keep_their_numbers_and_their_kind() -> None:
    first, second = told(GAUGE, DELTA, COUNTER), told(COUNTER, GAUGE, resource_id="r-2", project_id=None)

    samples = together(first, second)

    assert sorted_by_meter(samples) == sorted_by_meter([*alone(first), *alone(second)])
    assert {sample.meter: type(sample.volume) for sample in samples} == {
        "memory": float,
        "cpu": int,
        "network.bytes": int,
    }


@pytest.mark.parametrize(
    "doubtful",
    [
        told(GAUGE, ("memory", "gauge", "MB", 256, None)),
        told(GAUGE, ("memory", "gauge", "MB", 2**60, None)),  # a whole number where a float could not hold it
        told(GAUGE, ("cpu", "cumulative", "ns", -1, None)),
        told(GAUGE, ("cpu", "counter", "ns", 1, None)),
        told(GAUGE, ({}, "gauge", "ns", 1, None)),
        told(GAUGE, ("network.bytes", "delta", "B", 1, None)),
        told(GAUGE, resource_id=None),
        told(GAUGE, project_id=7),
        told(GAUGE, timestamp="yesterday"),
        told(GAUGE, metadata=[1]),
    ],
)
def test_what_is_in_doubt_is_left_to_who_judges_each_alone(doubtful: Told) -> None:
    assert normalize_together(told(GAUGE), NOW) is not None
    assert normalize_together(doubtful, NOW) is None


def test_what_the_database_refuses_goes_to_quarantine_as_the_message_it_came_in() -> None:
    pending = Pending(NOW)
    sent = [Message(body, "notifications", NOW) for body in (b"first", b"second")]
    for one, its_message in zip(
        (told(DELTA, GAUGE), told(GAUGE, DELTA, resource_id="r-2")), sent, strict=True
    ):
        found = normalize_together(one, NOW)
        assert found is not None
        pending.add_together(found, its_message)
    samples = pending.samples()

    bodies = {
        (sample.resource_id, sample.meter): pending.refusal(Rejected(place, "no"), sample).body
        for place, sample in enumerate(samples)
    }

    assert len(pending) == len(samples) == 4
    assert bodies == {
        ("r-1", "memory"): b"first",
        ("r-1", "network.bytes"): b"first",
        ("r-2", "memory"): b"second",
        ("r-2", "network.bytes"): b"second",
    }


def test_the_first_of_two_readings_stays_the_first_where_only_one_is_in_doubt() -> None:
    class Doubling(MeterMapping):
        def told(self, notification: Notification) -> list[Told]:
            return [told(GAUGE, GAUGE), told(("memory", "gauge", "MB", 1, None))]

    publisher = StubPublisher()
    pipeline(publisher, mapping=Doubling([])).process([message(RECORDED[0].read_bytes())])

    assert [sample.volume for sample in publisher.samples] == [512, 512, 1]
