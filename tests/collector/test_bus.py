"""The bus against a real RabbitMQ."""

import pytest
from pika.adapters.utils import io_services_utils

from collector.bus import SamplePublisher, connection, consuming
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.topology import Depth
from tests.broker import RabbitMQ
from tests.collector.brokers import (
    channel,
    inspected,
    names,
    resources,
    send,
    send_by_oslo,
    settings,
    storing,
    until,
    volumes,
)
from tests.collector.factories import StubPublisher, good, message
from tests.collector.poison import POISON


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "REBIND_S", 0.2)


@pytest.mark.parametrize("driver", ["messaging", "messagingv2"])
def test_notifications_of_the_real_oslo_messaging_arrive_in_both_envelopes(
    url: str, keeper: StubPublisher, driver: str
) -> None:
    volume = {"volume_id": "volume-1", "tenant_id": "project-1", "user_id": "user-1", "size": 10}
    flavor = {"memory_mb": 512, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0}
    server = {"nova_object.data": {"uuid": "vm-1", "tenant_id": "p", "flavor": {"nova_object.data": flavor}}}
    created: dict[str, object] = {"event_type": "volume.create.end", "payload": volume}
    started: dict[str, object] = {"event_type": "instance.create.end", "payload": server}

    with storing(settings(url), keeper):
        send_by_oslo(url, "openstack", "notifications", [driver], [created])
        send_by_oslo(url, "nova", "versioned_notifications", [driver], [started])
        until(lambda: len(keeper.samples) == 5)

    assert {sample.meter: sample.volume for sample in keeper.samples} == {
        "volume.size": 10,
        "memory": 512,
        "vcpus": 1,
        "disk.root.size": 1,
        "disk.ephemeral.size": 0,
    }
    assert keeper.refused == []


@pytest.mark.parametrize("odd", [{"durable": True}, {"auto_delete": True}, {"exchange_type": "direct"}])
def test_an_exchange_with_other_properties_is_respected_and_bound(
    url: str, keeper: StubPublisher, odd: dict[str, object]
) -> None:
    with channel(url) as service:
        properties = {"exchange_type": "topic", "durable": False, "auto_delete": False, **odd}
        service.exchange_declare("openstack", **properties)
        with storing(settings(url), keeper):
            service.exchange_declare("openstack", **properties)  # the service comes back and still agrees
            send(url, *volumes(1))
            until(lambda: len(keeper.samples) == 1)


def test_absent_exchanges_are_created_as_services_declare_them(url: str, keeper: StubPublisher) -> None:
    with storing(settings(url), keeper), channel(url) as service:
        service.exchange_declare("nova", exchange_type="topic", durable=False, auto_delete=False)


@pytest.mark.usefixtures("_often")
def test_an_exchange_that_vanished_and_came_back_is_bound_again(url: str, keeper: StubPublisher) -> None:
    with storing(settings(url), keeper), channel(url) as service:
        service.exchange_delete("openstack")
        service.exchange_declare("openstack", exchange_type="topic", durable=True)

        def arrives() -> bool:
            send(url, *volumes(1))
            return bool(keeper.samples)

        until(arrives)


def test_messages_that_came_while_no_collector_ran_are_collected(url: str, keeper: StubPublisher) -> None:
    with storing(settings(url), keeper):
        pass

    send(url, *volumes(30))
    with storing(settings(url), keeper):
        until(lambda: len(keeper.samples) == 30)

    assert resources(keeper) == names(30)


def test_a_batch_no_queue_takes_is_not_taken(url: str, keeper: StubPublisher) -> None:
    publisher = SamplePublisher(settings(url))
    with pytest.raises(BusUnavailable, match="no exchange"):
        publisher.send(encode_batch([good(1)]))
    with storing(settings(url), keeper):
        pass
    with channel(url) as client:
        client.queue_delete("nephometer.samples")

    with pytest.raises(BusUnavailable, match="no queue took it"):
        publisher.send(encode_batch([good(1)]))

    with storing(settings(url), keeper):
        publisher.send(encode_batch([good(1)]))
        until(lambda: bool(keeper.samples))
    publisher.close()
    assert resources(keeper) == ["vm-1"]


def test_two_collectors_share_the_work_and_double_nothing(url: str) -> None:
    one, other = StubPublisher(), StubPublisher()
    few = settings(url, notification_prefetch=4)

    with storing(few, one), storing(few, other):
        send(url, *volumes(200))
        until(lambda: len(one.samples) + len(other.samples) >= 200)

    assert sorted(resources(one) + resources(other)) == names(200)
    assert one.samples
    assert other.samples


def test_a_consumer_the_broker_cancelled_subscribes_again(url: str, keeper: StubPublisher) -> None:
    with storing(settings(url), keeper), channel(url) as client:
        client.queue_delete("nephometer.notifications")

        def arrives() -> bool:
            send(url, *volumes(1))
            return bool(keeper.samples)

        until(arrives)


def test_poison_through_the_broker_costs_no_good_message(url: str, keeper: StubPublisher) -> None:
    bad = [message(body).body for body in POISON.values()] + [b"x" * 2**21]

    with storing(settings(url), keeper):
        bodies = volumes(100 * len(bad))
        for number, body in enumerate(bad):
            bodies.insert(number * 101, body)
        send(url, *bodies)
        until(lambda: len(keeper.samples) == 100 * len(bad) and len(keeper.refused) == len(bad), 60)

    assert resources(keeper) == names(100 * len(bad))


def test_several_notification_brokers_are_consumed_at_once(
    rabbitmq: RabbitMQ, url: str, keeper: StubPublisher
) -> None:
    other = rabbitmq.create_vhost()

    with storing(settings(url, notification_urls=(url, other)), keeper):
        send(url, volumes(2)[0])
        send(other, volumes(2)[1])
        until(lambda: resources(keeper) == names(2))


def test_inspection_tells_what_a_broker_lacks_and_what_waits(url: str, keeper: StubPublisher) -> None:
    before = inspected(settings(url))
    with storing(settings(url), keeper):
        during = inspected(settings(url))
    send(url, *volumes(3))
    until(lambda: inspected(settings(url)).queues["nephometer.notifications"] == Depth(3, 0))

    assert before.missing_exchanges == ("nephometer", "nephometer.dead", "nova", "openstack")
    assert before.queues == {}
    assert during.missing_exchanges == ()
    assert during.queues == {
        "nephometer.dead": Depth(0, 0),
        "nephometer.samples": Depth(0, 1),
        "nephometer.notifications": Depth(0, 1),
    }


def test_a_connection_reads_more_at_once_than_pika_would(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = set[int]()
    transport = io_services_utils._AsyncTransportBase
    receive = transport._sigint_safe_recv

    def watched(socket: object, size: int) -> bytes:
        sizes.add(size)
        return bytes(receive(socket, size))

    monkeypatch.setattr(transport, "_sigint_safe_recv", staticmethod(watched))
    inspected(settings(url))

    assert connection.READ_BYTES in sizes


def test_inspection_of_a_broker_that_is_away_says_so() -> None:
    with pytest.raises(BusUnavailable):
        inspected(settings("amqp://guest:guest@127.0.0.1:1/"))
