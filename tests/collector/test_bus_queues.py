"""Queues of a real RabbitMQ that are full, too old, or made otherwise."""

import pika
import pytest
from structlog.testing import capture_logs

from collector import topology
from collector.bus import SamplePublisher
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.topology import Depth
from tests.collector.brokers import (
    channel,
    inspected,
    send,
    send_by_oslo,
    settings,
    storing,
    until,
    volumes,
    waiting,
)
from tests.collector.factories import StubPublisher, good

EXPIRING = pika.BasicProperties(delivery_mode=2, expiration="1")
VOLUME = {"volume_id": "volume-1", "tenant_id": "project-1", "user_id": "user-1", "size": 10}


def test_a_full_queue_refuses_agents_who_then_keep_their_batches(url: str, keeper: StubPublisher) -> None:
    bounded = settings(url, queue_max_length=3)
    publisher = SamplePublisher(bounded)
    with storing(bounded, keeper):
        pass

    def is_full() -> bool:
        try:
            publisher.send(encode_batch([good(1)]))
        except BusUnavailable as error:
            return "refused" in str(error)
        return False

    until(is_full)
    with storing(bounded, keeper):
        until(lambda: bool(keeper.samples))
        publisher.send(encode_batch([good(2)]))
    publisher.close()


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
def test_a_full_queue_never_holds_up_a_service_and_keeps_its_oldest_among_the_dead(
    url: str, keeper: StubPublisher, queue_type: str
) -> None:
    """oslo.messaging waits for confirms: were it refused, it would try again for ever."""
    bounded = settings(url, queue_max_length=20, queue_type=queue_type)
    with storing(bounded, keeper):
        pass

    told: dict[str, object] = {"event_type": "volume.exists", "payload": VOLUME}
    send_by_oslo(url, "openstack", "notifications", ["messagingv2"], [told] * 30)

    until(lambda: waiting(url, "nephometer.notifications") + waiting(url, "nephometer.dead") == 30)
    assert 1 <= waiting(url, "nephometer.dead") <= 10


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
def test_what_waited_too_long_is_found_among_the_dead(
    url: str, keeper: StubPublisher, queue_type: str
) -> None:
    aged = settings(url, queue_type=queue_type, queue_max_age="1d", queue_max_length=100)
    with storing(aged, keeper):
        pass
    with channel(url) as client:  # as a day later, by the time to live of the message itself
        client.basic_publish("openstack", "notifications.info", volumes(1)[0], EXPIRING)

    until(lambda: waiting(url, "nephometer.dead") == 1)
    assert inspected(aged, thoroughly=True).differing == {}


def test_a_queue_made_otherwise_is_said_with_what_to_do_and_consumed_all_the_same(
    url: str, keeper: StubPublisher
) -> None:
    with channel(url) as client:
        client.queue_declare("nephometer.notifications", durable=True)

    with capture_logs() as logs, storing(settings(url), keeper):
        send(url, *volumes(2))
        until(lambda: len(keeper.samples) == 2)
        differing = inspected(settings(url), thoroughly=True).differing

    (said,) = [entry for entry in logs if entry["event"] == "queue_differs"]
    assert said["queue"] == "nephometer.notifications"
    assert (
        "x-queue-type" in said["error"] or "x-dead-letter" in said["error"] or "inequivalent" in said["error"]
    )
    assert "delete_queue nephometer.notifications" in said["advice"]
    assert list(differing) == ["nephometer.notifications"]


def test_a_thorough_look_finds_queues_of_others_and_of_earlier_settings(
    url: str, keeper: StubPublisher
) -> None:
    with channel(url) as client:
        client.queue_declare("notifications.info")
        client.queue_declare("nephometer.samples", durable=True)
        client.queue_declare("somebodys")
    renamed = settings(
        url, sample_queue="mine.samples", notification_queue="mine.notifications", dead_queue="mine.dead"
    )

    with storing(renamed, keeper):
        state = inspected(renamed, thoroughly=True)

    assert state.others == {"notifications.info": Depth(0, 0), "nephometer.samples": Depth(0, 0)}
    assert set(state.queues) == {"mine.samples", "mine.notifications", "mine.dead"}


def test_a_queue_the_broker_does_not_make_is_told_with_its_reason(
    url: str, keeper: StubPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "SEGMENT_BYTES", -1)  # as a broker would that does not know streams

    with capture_logs() as logs, storing(settings(url, stream="archive"), keeper):
        send(url, *volumes(1))
        until(lambda: len(keeper.samples) == 1)

    (said,) = [entry for entry in logs if entry["event"] == "queues_refused"]
    assert "PRECONDITION_FAILED" in said["errors"]["archive"]
    assert "bus.stream" in said["advice"]
    assert "exchanges_not_bound" not in [entry["event"] for entry in logs]
