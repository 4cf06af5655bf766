from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from collector.errors import PublisherUnavailable
from collector.publishers.database import DatabasePublisher
from storage.errors import DatabaseUnavailable, DataRefused, SchemaMismatch
from storage.event import Event
from storage.events import StoredEvents
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.query import Stored
from storage.sample import Refused, Sample
from tests.collector.factories import (
    NOW,
    SAMPLE,
    good,
    metrics,
)


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

    def store_batch(
        self, batch: SampleBatch, refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        return self.store(batch.samples(), refused, received_at=received_at)


class EventStore:
    """Events of a database that refuses some types."""

    def __init__(self, *poisonous: str) -> None:
        self.poisonous = poisonous
        self.events: list[Event] = []
        self.error: Exception | None = None

    def store(self, events: Sequence[Event], *, received_at: datetime) -> StoredEvents:
        if self.error:
            raise self.error
        if any(event.event_type in self.poisonous for event in events):
            raise DataRefused("no")
        self.events += events
        return StoredEvents(len(events), 0)


EVENT = Event("m", "p", "t", NOW)


@pytest.mark.parametrize("places", [[0], [6], [3], [0, 1], [2, 5], list(range(7))])
def test_a_batch_the_database_refuses_is_halved_down_to_the_bad_samples(places: list[int]) -> None:
    store = Store("bad")
    samples = [
        replace(good(number), meter="bad") if number in places else good(number) for number in range(7)
    ]
    quarantined = Refused("reason", b"body", "agent", NOW)

    taken = DatabasePublisher(store, metrics(), EventStore()).publish(samples, [quarantined], NOW)

    assert store.samples == [sample for sample in samples if sample.meter != "bad"]
    assert store.refused == [quarantined]
    assert [one.index for one in taken.rejected] == places


def test_what_the_database_found_too_old_is_told_however_often_it_was_halved() -> None:
    class Young(Store):
        def store(
            self, samples: Sequence[Sample], refused: Sequence[Refused] = (), *, received_at: datetime
        ) -> Stored:
            stored = super().store(samples, refused, received_at=received_at)
            return replace(stored, kept_from=7 + len(self.samples))

    publisher = DatabasePublisher(Young("bad"), metrics(), EventStore())

    halved = publisher.publish([good(1), replace(good(2), meter="bad"), good(3)], [], NOW)
    whole = publisher.publish_batch(arrange([good(4)]), [], NOW)

    assert (halved.kept_from, whole and whole.kept_from) == (9, 10)


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), SchemaMismatch("old")])
def test_a_database_that_is_away_or_not_upgraded_is_tried_again_later(error: Exception) -> None:
    store = Store()
    store.error = error

    with pytest.raises(PublisherUnavailable):
        DatabasePublisher(store, metrics(), EventStore()).publish([SAMPLE], [], NOW)


@pytest.mark.parametrize("places", [[0], [3], [2, 5], list(range(7))])
def test_events_the_database_refuses_are_found_among_the_others(places: list[int]) -> None:
    events = EventStore("bad")
    given = [replace(EVENT, message_id=str(n), event_type="bad" if n in places else "good") for n in range(7)]

    rejected = DatabasePublisher(Store(), metrics(), events).publish_events(given, NOW)

    assert events.events == [event for event in given if event.event_type == "good"]
    assert [one.index for one in rejected] == places


def test_events_wait_for_a_database_that_is_away() -> None:
    events = EventStore()
    events.error = DatabaseUnavailable("away")

    with pytest.raises(PublisherUnavailable):
        DatabasePublisher(Store(), metrics(), events).publish_events([EVENT], NOW)
