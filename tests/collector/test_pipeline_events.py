"""Events on their way through the pipeline, beside the samples of the same messages."""

import math
from datetime import UTC, datetime

import pytest

from collector.envelope import Notification
from collector.errors import InvalidMessage, PublisherUnavailable
from collector.signature import sign
from storage.event import Event, Trait
from tests.collector.factories import (
    StubPublisher,
    message,
    notification,
    pipeline,
    polled,
    polling,
    published,
    publishing,
)

URL = "swift://user:hidden@store/image"


class Maker:
    """Makes an event of each notification, or fails as it was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def event(self, notification: Notification, received_at: datetime) -> Event | None:
        if self.error:
            raise self.error
        if notification.event_type == "unwanted":
            return None
        return Event(notification.message_id, notification.publisher_id, notification.event_type, received_at)


def test_a_notification_becomes_an_event_beside_its_samples() -> None:
    publisher = StubPublisher()

    pipeline(publisher, events=Maker()).process([message(notification())])

    assert [event.event_type for event in publisher.events] == ["volume.exists"]
    assert publisher.samples


def test_a_notification_without_samples_is_an_event_and_one_nobody_wants_is_none() -> None:
    publisher = StubPublisher()
    sent = [
        message(notification(event_type="a.b", priority="ERROR")),
        message(notification(event_type="unwanted")),
    ]

    pipeline(publisher, events=Maker()).process(sent)

    assert [event.event_type for event in publisher.events] == ["a.b"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidMessage("no time"), "event: no time"),
        (ZeroDivisionError("x"), "event: the program failed on it: ZeroDivisionError('x')"),
    ],
)
def test_what_fails_on_an_event_costs_no_sample(error: Exception, reason: str) -> None:
    publisher = StubPublisher()

    pipeline(publisher, events=Maker(error)).process([message(notification())])

    assert publisher.samples
    assert [refused.reason for refused in publisher.refused] == [reason]


def test_an_event_the_database_refuses_is_quarantined_alone() -> None:
    publisher = StubPublisher()
    publisher.poisonous = frozenset({"bad"})
    sent = [message(notification(event_type=name)) for name in ("good", "bad", "fine")]

    pipeline(publisher, events=Maker()).process(sent)

    assert [event.event_type for event in publisher.events] == ["good", "fine"]
    assert [refused.reason for refused in publisher.refused] == ["poison"]
    assert publisher.refused[0].body == sent[1].body


def test_nothing_is_kept_while_the_database_is_away() -> None:
    publisher = StubPublisher()
    publisher.away = True

    with pytest.raises(PublisherUnavailable):
        pipeline(publisher, events=Maker()).process([message(notification(event_type="a"))])


def test_ceilometers_samples_are_no_events() -> None:
    publisher = StubPublisher()

    pipeline(publisher, events=Maker()).process([message(polling(polled()))])

    assert publisher.samples
    assert publisher.events == []


def test_events_that_ceilometer_made_are_taken_as_they_are() -> None:
    publisher = StubPublisher()

    pipeline(publisher, events=Maker()).process([message(publishing(published(raw={"a": 1})))])

    assert publisher.events == [
        Event(
            "7b0c1c2e-5df3-4b5f-9c5b-7f3b0c0a1d11",
            "compute.node-1",
            "compute.instance.create.end",
            datetime(2024, 11, 23, 11, 59, 0, 1, UTC),
            (
                Trait("launched_at", "datetime", datetime(2024, 11, 23, 11, 58, tzinfo=UTC)),
                Trait("load", "float", 0.5),
                Trait("memory_mb", "integer", 512),
                Trait("project_id", "text", "project-1"),
                Trait("service", "text", "compute.node-1"),
                Trait("user_id", "text", "user-1"),
            ),
            "project-1",
            "user-1",
            {"a": 1},
        )
    ]


def test_secrets_and_odd_values_in_what_others_made_are_not_kept() -> None:
    publisher = StubPublisher()
    raw = {"payload": {"adminPass": "hidden", "name": "lone \ud800", "load": math.nan}, "url": URL}
    traits = [["auth_token", 1, "hidden"], ["image", 1, URL]]

    pipeline(publisher).process([message(publishing(published(raw=raw, traits=traits)))])

    (event,) = publisher.events
    assert event.raw == {"payload": {"name": "lone \ufffd", "load": "nan"}, "url": "swift://***@store/image"}
    assert [(trait.name, trait.value) for trait in event.traits] == [("image", "swift://***@store/image")]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, "event: an event is not an object"),
        (published(event_type=None), "event: an event needs an event_type"),
        (published(event_type="x" * 256), "event: event_type is empty or longer than 255 characters"),
        (published(traits={}), "event: an event needs a list of traits"),
        (published(traits=[["a", 9, "b"]]), "event: a trait is not a list of name, type and value"),
        (published(traits=[["a", 2, "b"]]), "event: trait a: not a number"),
        (published(traits=[["a", 2, 2**63]]), "event: trait a: beyond 64 bits"),
        (published(traits=[["a", 4, "soon"]]), "event: trait a: a time that is not ISO 8601 text"),
        (published(generated=None), "event: generated: a time that is not ISO 8601 text"),
        (published(generated="2025-11-23T12:00:00"), "event: a time more than 5 minutes in the future"),
    ],
)
def test_a_bad_event_among_others_is_refused_alone(bad: object, reason: str) -> None:
    publisher = StubPublisher()
    good = published(message_id="good")

    pipeline(publisher).process([message(publishing(good, bad, published()))])

    assert len(publisher.events) == 2
    assert [refused.reason for refused in publisher.refused] == [reason]


def test_published_events_must_be_signed_when_there_is_a_secret() -> None:
    publisher = StubPublisher()
    signed = published(message_id="signed")
    signed["message_signature"] = sign(signed, "secret")

    pipeline(publisher, telemetry_secret="secret").process([message(publishing(signed, published()))])

    assert [event.message_id for event in publisher.events] == ["signed"]
    assert [refused.reason for refused in publisher.refused] == ["event: unsigned"]


def test_texts_of_events_are_clean_and_not_too_long() -> None:
    publisher = StubPublisher()
    sent = published(traits=[["nul", 1, "a\0b"], ["long", 1, "x" * 300]])

    pipeline(publisher).process([message(publishing(sent))])

    assert {trait.name: trait.value for trait in publisher.events[0].traits} == {
        "nul": "a\ufffdb",
        "long": "x" * 255,
    }
