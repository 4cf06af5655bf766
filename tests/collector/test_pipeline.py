import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from collector.errors import PublisherUnavailable
from collector.gathering import HEAD_BYTES, Gathering, Limits
from collector.pipeline import Message, Pipeline
from collector.publishers import Rejected
from collector.publishers.database import DatabasePublisher
from storage.errors import DatabaseUnavailable, DataRefused, SchemaMismatch
from storage.query import Stored
from storage.sample import Refused, Sample
from tests.collector.factories import (
    MAPPING,
    NOW,
    SAMPLE,
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

POISON: dict[str, bytes | object] = {
    "empty": b"",
    "null": b"null",
    "truncated": json.dumps(notification()).encode()[:-9],
    "utf-16": json.dumps(notification()).encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(20),
    "pickle": b"\x80\x04\x95\x10\x00.",
    "deep": b'{"event_type": "volume.exists", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no event type": notification(event_type=None),
    "no payload": {key: value for key, value in notification().items() if key != "payload"},
    "payload of text": notification(payload="text"),
    "payload of nothing": notification(payload=None),
    "no time": notification(timestamp=None),
    "time of nonsense": notification(timestamp="soon"),
    "time as number": notification(timestamp=1795389464),
    "in 2150": notification(timestamp="2150-01-01 00:00:00"),
    "no resource": notification(payload=payload(volume_id=None)),
    "resource of a list": notification(payload=payload(volume_id=["volume-1"])),
    "resource of 1 MB": notification(payload=payload(volume_id="v" * 2**19)),
    "no volume": notification(payload=payload(size=None)),
    "volume true": notification(payload=payload(size=True)),
    "volume of a list": notification(payload=payload(size=[])),
    "volume of an object": notification(payload=payload(size={})),
    "volume of words": notification(payload=payload(size="0x10")),
    "volume NaN": notification(payload=payload(size=float("nan"))),
    "volume infinite": notification(payload=payload(size=float("inf"))),
    "volume 1e400": json.dumps(notification(payload=payload(size=123454321)))
    .replace("123454321", "1e400")
    .encode(),
    "volume 2**63": notification(payload=payload(size=2**63)),
    "volume of 5000 digits": json.dumps(notification(payload=payload(size=1)))
    .replace('"size": 1', '"size": ' + "9" * 5000)
    .encode(),
    "project of a list": notification(payload=payload(tenant_id=["a", "b"])),
    "two projects": b'{"event_type":"volume.exists","payload":{"tenant_id":"a","tenant_id":"b"}}',
    "polling without samples": notification(event_type="telemetry.polling", payload={}),
}


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


def test_a_message_that_is_too_large_is_quarantined_unread_with_its_hash_and_its_beginning() -> None:
    publisher, body = StubPublisher(), json.dumps(notification(padding="x" * 2**21)).encode()
    gathering = Gathering({"notifications": Limits(10, 2**20)}, 1)

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


def test_delta_samples_of_a_redelivered_notification_have_the_same_ids() -> None:
    publisher = StubPublisher()
    sent = notification(event_type="image.send", payload={"image_id": "i", "bytes_sent": 5})

    pipeline(publisher).process([message(sent), message(sent)])

    ids = [sample.id for sample in publisher.samples]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_an_agents_batch_is_stored_and_only_its_bad_reading_is_quarantined() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([batch(good(1), replace(SAMPLE, volume=-1, type="cumulative"), good(2))])

    assert publisher.samples == [good(1), good(2)]
    assert [refused.reason for refused in publisher.refused] == ["volume of a cumulative meter is negative"]
    assert b"disk.usage" in publisher.refused[0].body
    assert publisher.refused[0].origin == "agent"


def test_a_delta_reading_without_an_id_is_named_after_its_batch() -> None:
    publisher = StubPublisher()
    sent = batch(replace(SAMPLE, type="delta"), replace(SAMPLE, type="delta"))

    pipeline(publisher).process([sent, sent])

    ids = [sample.id for sample in publisher.samples]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_batches_are_handed_over_as_soon_as_they_are_large_enough() -> None:
    publisher = StubPublisher()

    pipeline(publisher, batch_size=2).process(
        [batch(good(0)), batch(good(1), good(2), good(3)), batch(good(4))]
    )

    assert publisher.attempts == 3
    assert publisher.samples == [good(number) for number in range(5)]


def test_a_sample_the_destination_refuses_is_quarantined_with_its_original_message() -> None:
    publisher, sent = StubPublisher(), message(notification())
    publisher.poisonous = frozenset({"volume.size"})

    pipeline(publisher).process([batch(good(1)), sent])

    assert publisher.samples == [good(1)]
    assert [(refused.reason, refused.body) for refused in publisher.refused] == [("poison", sent.body)]


def test_nothing_may_be_acknowledged_while_the_database_is_away() -> None:
    publisher = StubPublisher()
    publisher.away = True

    with pytest.raises(PublisherUnavailable):
        pipeline(publisher).process([message(b"poison"), message(notification())])

    assert publisher.refused == []


class Broken:
    name = "broken"

    def publish(
        self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime
    ) -> list[Rejected]:
        raise ZeroDivisionError


def test_a_failing_database_publisher_is_as_good_as_an_absent_one() -> None:
    with pytest.raises(PublisherUnavailable, match="ZeroDivisionError"):
        Pipeline([Broken()], MAPPING, metrics()).process([message(notification())])


def test_a_failing_publisher_beside_the_database_holds_up_nothing() -> None:
    database = StubPublisher()

    Pipeline([database, Broken()], MAPPING, metrics()).process([message(notification())])

    assert len(database.samples) == 1


def test_posted_samples_are_normalized_stored_and_the_refused_returned() -> None:
    publisher = StubPublisher()
    bad = replace(SAMPLE, timestamp=NOW + timedelta(hours=1))

    refused = pipeline(publisher).accept([good(1), bad, replace(SAMPLE, volume=7.0)], origin="api", now=NOW)

    assert publisher.samples == [good(1), SAMPLE]
    assert [one.reason for one in refused] == ["timestamp: a time more than 5 minutes in the future"]
    assert publisher.refused == refused


class Store:
    """A database that refuses some meters, in a transaction that keeps all or nothing."""

    def __init__(self, *poisonous: str) -> None:
        self.poisonous = poisonous
        self.samples: list[Sample] = []
        self.refused: list[Refused] = []
        self.error: Exception | None = None

    def store(
        self, samples: Sequence[Sample], refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        if self.error:
            raise self.error
        if any(sample.meter in self.poisonous for sample in samples):
            raise DataRefused("no")
        self.samples += samples
        self.refused += refused
        return Stored(len(samples), 0, 0)


@pytest.mark.parametrize("places", [[0], [6], [3], [0, 1], [2, 5], list(range(7))])
def test_a_batch_the_database_refuses_is_halved_down_to_the_bad_samples(places: list[int]) -> None:
    store = Store("bad")
    samples = [
        replace(good(number), meter="bad") if number in places else good(number) for number in range(7)
    ]
    quarantined = Refused("reason", b"body", "agent", NOW)

    rejected = DatabasePublisher(store, metrics()).publish(samples, [quarantined], NOW)

    assert store.samples == [sample for sample in samples if sample.meter != "bad"]
    assert store.refused == [quarantined]
    assert [one.index for one in rejected] == places


def test_a_database_that_goes_away_within_a_message_is_noticed() -> None:
    publisher = StubPublisher()
    publisher.away = True

    with pytest.raises(PublisherUnavailable):
        pipeline(publisher, batch_size=1).process([batch(good(1), good(2))])


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), SchemaMismatch("old")])
def test_a_database_that_is_away_or_not_upgraded_is_tried_again_later(error: Exception) -> None:
    store = Store()
    store.error = error

    with pytest.raises(PublisherUnavailable):
        DatabasePublisher(store, metrics()).publish([SAMPLE], [], NOW)


def test_a_program_error_in_one_message_costs_only_that_message() -> None:
    publisher = StubPublisher()

    class Failing:
        def drafts(self, notification: object) -> list[object]:
            raise ZeroDivisionError

    failing = Pipeline([publisher], Failing(), metrics())  # type: ignore[arg-type]  # a mapping with a fault

    failing.process([batch(good(1)), message(notification()), batch(good(2))])

    assert publisher.samples == [good(1), good(2)]
    assert "ZeroDivisionError" in publisher.refused[0].reason
