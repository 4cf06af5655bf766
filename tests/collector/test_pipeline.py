import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from collector.errors import PublisherUnavailable
from collector.pipeline import Pipeline
from collector.publishers import Rejected, Taken
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Refused, Sample, to_microseconds
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
    pipeline,
)


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


def test_batches_of_two_threads_are_with_the_database_at_once() -> None:
    together = threading.Barrier(2)

    class Meeting(StubPublisher):
        def publish_batch(
            self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime
        ) -> Taken | None:
            together.wait(5)  # raises when nobody else comes
            return super().publish_batch(batch, refused, received_at)

    publisher = Meeting()
    both = pipeline(publisher)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(both.process, [[batch(good(1))], [batch(good(2))]]))

    assert sorted(publisher.samples, key=repr) == sorted([good(1), good(2)], key=repr)


def test_batches_are_handed_over_as_soon_as_they_are_large_enough() -> None:
    publisher = StubPublisher()

    pipeline(publisher, batch_size=2).process(
        [batch(good(0)), batch(good(1), good(2), good(3)), batch(good(4))]
    )

    assert publisher.attempts == 2
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

    def publish_events(self, events: Sequence[Event], received_at: datetime) -> list[Rejected]:
        raise ZeroDivisionError

    def publish_batch(
        self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime
    ) -> Taken | None:
        raise ZeroDivisionError

    def publish(self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime) -> Taken:
        raise ZeroDivisionError


def test_a_failing_database_publisher_is_as_good_as_an_absent_one() -> None:
    with pytest.raises(PublisherUnavailable, match="ZeroDivisionError"):
        Pipeline(Broken(), MAPPING, metrics()).process([message(notification())])


class Queues:
    """Stands in for the queues of other systems."""

    def __init__(self, *, away: bool = False) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.away = away

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        if self.away:
            raise PublisherUnavailable("the database is away")
        self.samples += samples.samples()
        self.events += events


def test_others_are_owed_what_was_stored_and_nothing_the_database_refused() -> None:
    database, queues = StubPublisher(), Queues()
    database.poisonous = frozenset({"disk.usage"})
    cpu = replace(SAMPLE, meter="cpu")

    Pipeline(database, MAPPING, metrics(), owing=queues).process([batch(good(1), cpu, good(2))])

    assert queues.samples == database.samples == [cpu]


@pytest.mark.parametrize("poisonous", [frozenset[str](), frozenset({"cpu"})])
def test_others_are_not_owed_what_the_database_found_too_old(poisonous: frozenset[str]) -> None:
    class Young(StubPublisher):
        def publish(
            self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime
        ) -> Taken:
            taken = super().publish(samples, refused, received_at)
            return replace(taken, kept_from=to_microseconds(NOW - timedelta(days=1)))

    database, queues = Young(), Queues()
    database.poisonous = poisonous
    old = replace(SAMPLE, resource_id="old", timestamp=NOW - timedelta(days=2))
    sent = [batch(good(1), old, replace(SAMPLE, meter="cpu", resource_id="other"), good(2))]

    Pipeline(database, MAPPING, metrics(), owing=queues).process(sent)

    assert {one.resource_id for one in queues.samples} == {one.resource_id for one in database.samples} - {
        "old"
    }


def test_nothing_is_acknowledged_while_what_is_owed_cannot_be_kept() -> None:
    with pytest.raises(PublisherUnavailable):
        Pipeline(StubPublisher(), MAPPING, metrics(), owing=Queues(away=True)).process([batch(good(1))])


def test_posted_samples_are_normalized_stored_and_the_refused_returned() -> None:
    publisher = StubPublisher()
    bad = replace(SAMPLE, timestamp=NOW + timedelta(hours=1))

    refused = pipeline(publisher).accept([good(1), bad, replace(SAMPLE, volume=7.0)], origin="api", now=NOW)

    assert publisher.samples == [good(1), SAMPLE]
    assert [one.reason for one in refused] == ["timestamp: a time more than 5 minutes in the future"]
    assert publisher.refused == refused


def test_a_database_that_goes_away_within_a_message_is_noticed() -> None:
    publisher = StubPublisher()
    publisher.away = True

    with pytest.raises(PublisherUnavailable):
        pipeline(publisher, batch_size=1).process([batch(good(1), good(2))])


def test_what_is_quarantined_has_lost_its_secrets() -> None:
    publisher = StubPublisher()
    payload = {"instance_id": "i", "adminPass": "SEKRET", "password": "SEKRET"}
    sent = notification(timestamp="soon", payload=payload, _context_auth_token="SEKRET")
    samples = replace(SAMPLE, metadata={"auth_token": "SEKRET", "odd": "\ud800"}, volume=float("nan"))

    pipeline(publisher).process(
        [message(sent), replace(message(json.dumps(sent)[:-20].encode()), refused="too large")]
    )
    pipeline(publisher).accept([samples], origin="api", now=NOW)

    assert [refused.origin for refused in publisher.refused] == ["notifications", "notifications", "api"]
    assert b"SEKRET" not in b"".join(refused.body for refused in publisher.refused)
    assert all(b"***" in refused.body for refused in publisher.refused)
