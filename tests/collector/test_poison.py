"""Bad messages go to quarantine, what is no reading goes nowhere, and neither costs a neighbour."""

import hashlib
import json

import pytest

from collector.checking import Checker
from collector.draft import Told
from collector.envelope import Notification
from collector.gathering import Gathering, Limits
from collector.mapping import MeterMapping
from collector.message import HEAD_BYTES
from collector.metrics import CollectorMetrics
from collector.pipeline import Message, Pipeline
from storage.ingest.batch import SampleBatch
from tests.collector.factories import (
    MAPPING,
    NOW,
    StubPublisher,
    batch,
    good,
    message,
    metrics,
    notification,
    payload,
    pipeline,
    polled,
    polling,
)
from tests.collector.poison import POISON


@pytest.mark.parametrize("body", POISON.values(), ids=POISON.keys())
def test_a_bad_message_is_quarantined_with_its_bytes_and_its_neighbours_are_stored(
    body: bytes | object,
) -> None:
    publisher, bad = StubPublisher(), message(body)
    before, after = (
        message(notification(message_id="a")),
        message(notification(timestamp="2024-11-23 11:58:00")),
    )

    pipeline(publisher).process([before, bad, after])

    assert [sample.resource_id for sample in publisher.samples] == ["volume-1", "volume-1"]
    assert [(refused.body, refused.origin) for refused in publisher.refused] == [(bad.body, "notifications")]
    assert publisher.refused[0].reason


def test_poison_mixed_one_in_a_hundred_costs_no_good_sample() -> None:
    publisher = StubPublisher()
    bad = [message(body) for body in POISON.values()]
    messages: list[Message] = []
    for number in range(100 * len(bad)):
        messages.append(message(notification(payload=payload(volume_id=f"volume-{number}"))))
        if number % 100 == 50:
            messages.append(bad[number // 100])

    pipeline(publisher, batch_size=1000).process(messages)

    assert {sample.resource_id for sample in publisher.samples} == {
        f"volume-{n}" for n in range(100 * len(bad))
    }
    assert [refused.body for refused in publisher.refused] == [one.body for one in bad]


ENDLESS = '"' + '[1,\\x\\"' * 1000  # texts in texts


@pytest.mark.parametrize(
    "body",
    [ENDLESS.encode(), notification(timestamp="2150-01-01 00:00:00", payload=payload(display_name=ENDLESS))],
)
def test_what_can_hardly_be_looked_through_is_refused_and_costs_no_neighbour(body: bytes | object) -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(body), message(notification())])

    assert [sample.resource_id for sample in publisher.samples] == ["volume-1"]
    assert len(publisher.refused) == 1


def test_a_message_that_is_too_large_is_quarantined_unread_with_its_hash_and_its_beginning() -> None:
    publisher, body = StubPublisher(), json.dumps(notification(padding="x" * 2**21)).encode()
    gathering = Gathering({"notifications": Limits(10, 1000, 2**20)}, 1)

    gathering.add("notifications", 1, body, NOW, 0)
    pipeline(publisher).process(gathering.take().messages)

    assert publisher.samples == []
    assert publisher.refused[0].body == body[:HEAD_BYTES]
    assert hashlib.sha256(body).hexdigest() in publisher.refused[0].reason
    assert str(len(body)) in publisher.refused[0].reason


@pytest.mark.parametrize("field", sorted(notification()))
def test_no_missing_field_of_a_notification_loses_it(field: str) -> None:
    publisher = StubPublisher()
    body = {key: value for key, value in notification().items() if key != field}

    pipeline(publisher).process([message(body)])

    assert len(publisher.samples) + len(publisher.refused) == 1


@pytest.mark.parametrize("field", sorted(polled()))
@pytest.mark.parametrize("value", [None, [], {}, True, 1.5, "\ud800"])
def test_no_field_of_the_wrong_type_loses_a_polled_sample_or_its_neighbour(field: str, value: object) -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(polling(polled(**{field: value}), polled(resource_id="other")))])

    assert "other" in [sample.resource_id for sample in publisher.samples]
    assert len(publisher.samples) + len(publisher.refused) == 2


def test_notifications_nobody_maps_are_neither_stored_nor_quarantined() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(notification(event_type="keypair.create.end"))])

    assert (publisher.samples, publisher.refused) == ([], [])


def test_reports_of_failures_are_no_readings() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(notification(priority="ERROR", payload="it failed"))])

    assert (publisher.samples, publisher.refused) == ([], [])


def test_the_start_of_something_without_an_id_is_no_error() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process(
        [message(notification(event_type="volume.create.start", payload={"size": 1}))]
    )

    assert (publisher.samples, publisher.refused) == ([], [])


def test_a_program_error_in_one_message_costs_only_that_message() -> None:
    publisher = StubPublisher()

    class Failing(MeterMapping):
        def told(self, notification: Notification) -> list[Told]:
            raise ZeroDivisionError

    failing = Pipeline(publisher, Failing([]), metrics())

    failing.process([batch(good(1)), message(notification()), batch(good(2))])

    assert publisher.samples == [good(1), good(2)]
    assert "ZeroDivisionError" in publisher.refused[0].reason


def test_a_program_error_on_batches_taken_together_is_counted_and_costs_no_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher, counted = StubPublisher(), metrics()

    def fail(*_: object) -> SampleBatch | None:
        raise ZeroDivisionError

    monkeypatch.setattr(Checker, "settle", fail)

    Pipeline(publisher, MAPPING, counted).process([batch(good(1)), batch(good(2))])

    assert publisher.samples == [good(1), good(2)]
    assert _value(counted) == 3  # both together, then each for itself


def _value(counted: CollectorMetrics) -> float:
    (family,) = counted.frames_not_settled.collect()
    return next(one.value for one in family.samples if one.name.endswith("_total"))
