"""The bus against a real RabbitMQ."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from collector import bus as bus_module
from collector.bus import SamplePublisher, inspect
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.pipeline import Message
from tests.broker import RabbitMQ
from tests.collector.brokers import (
    Proxy,
    channel,
    collecting,
    send,
    send_by_oslo,
    settings,
    storing,
    until,
    volumes,
    waiting,
)
from tests.collector.factories import StubPublisher, good, message, pipeline
from tests.collector.test_pipeline import POISON


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    """A broker that nobody has touched."""
    return rabbitmq.create_vhost()


@pytest.fixture
def database() -> StubPublisher:
    return StubPublisher()


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "REBIND_S", 0.2)


def resources(database: StubPublisher) -> list[str]:
    return sorted(sample.resource_id for sample in database.samples)


def names(count: int) -> list[str]:
    return sorted(f"volume-{number}" for number in range(count))


@pytest.mark.parametrize("driver", ["messaging", "messagingv2"])
def test_notifications_of_the_real_oslo_messaging_arrive_in_both_envelopes(
    url: str, database: StubPublisher, driver: str
) -> None:
    volume = {"volume_id": "volume-1", "tenant_id": "project-1", "user_id": "user-1", "size": 10}
    flavor = {"memory_mb": 512, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0}
    server = {"nova_object.data": {"uuid": "vm-1", "tenant_id": "p", "flavor": {"nova_object.data": flavor}}}

    with storing(settings(url), database):
        send_by_oslo(url, "openstack", driver, "notifications", [("volume.create.end", volume)])
        send_by_oslo(url, "nova", driver, "versioned_notifications", [("instance.create.end", server)])
        until(lambda: len(database.samples) == 5)

    assert {sample.meter: sample.volume for sample in database.samples} == {
        "volume.size": 10,
        "memory": 512,
        "vcpus": 1,
        "disk.root.size": 1,
        "disk.ephemeral.size": 0,
    }
    assert database.refused == []


@pytest.mark.parametrize("odd", [{"durable": True}, {"auto_delete": True}, {"exchange_type": "direct"}])
def test_an_exchange_with_other_properties_is_respected_and_bound(
    url: str, database: StubPublisher, odd: dict[str, object]
) -> None:
    with channel(url) as service:
        properties = {"exchange_type": "topic", "durable": False, "auto_delete": False, **odd}
        service.exchange_declare("openstack", **properties)
        with storing(settings(url), database):
            service.exchange_declare("openstack", **properties)  # the service comes back and still agrees
            send(url, *volumes(1))
            until(lambda: len(database.samples) == 1)


def test_absent_exchanges_are_created_as_services_declare_them(url: str, database: StubPublisher) -> None:
    with storing(settings(url), database), channel(url) as service:
        service.exchange_declare("nova", exchange_type="topic", durable=False, auto_delete=False)


@pytest.mark.usefixtures("_often")
def test_an_exchange_that_vanished_and_came_back_is_bound_again(url: str, database: StubPublisher) -> None:
    with storing(settings(url), database), channel(url) as service:
        service.exchange_delete("openstack")
        service.exchange_declare("openstack", exchange_type="topic", durable=True)

        def arrives() -> bool:
            send(url, *volumes(1))
            return bool(database.samples)

        until(arrives)


def test_messages_that_came_while_no_collector_ran_are_collected(url: str, database: StubPublisher) -> None:
    with storing(settings(url), database):
        pass

    send(url, *volumes(30))
    with storing(settings(url), database):
        until(lambda: len(database.samples) == 30)

    assert resources(database) == names(30)


def test_a_broker_restart_heals_by_itself_and_is_said_once(
    rabbitmq: RabbitMQ, url: str, database: StubPublisher
) -> None:
    publisher = SamplePublisher(settings(url))
    with capture_logs() as logs, storing(settings(url), database) as bus:
        publisher.send(encode_batch([good(1)]))
        until(lambda: len(database.samples) == 1)
        rabbitmq.stop()
        with pytest.raises(BusUnavailable):
            publisher.send(encode_batch([good(2)]))
        until(lambda: not bus.is_connected)
        rabbitmq.start()
        until(lambda: bus.is_connected, 15)
        publisher.send(encode_batch([good(2)]))
        send(url, *volumes(1))
        until(lambda: len(database.samples) == 3)
    publisher.close()

    assert resources(database) == ["vm-1", "vm-2", "volume-0"]
    events = [entry["event"] for entry in logs if entry["event"].startswith("bus_")]
    assert events[0] == events[-1] == "bus_connected"
    assert all(one != next_one for one, next_one in pairwise(events))


def test_a_broker_that_is_away_at_the_start_is_waited_for(
    rabbitmq: RabbitMQ, url: str, database: StubPublisher
) -> None:
    rabbitmq.stop()
    try:
        with (
            capture_logs() as logs,
            collecting(settings(url), pipeline(database).process, connected=False) as bus,
        ):
            until(lambda: bool(logs))
            rabbitmq.start()
            until(lambda: bus.is_connected, 15)
    finally:
        rabbitmq.start()

    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["bus_away"]


def test_a_wrong_password_is_reported_without_it(url: str) -> None:
    wrong = settings(url.replace("guest:guest", "guest:hunter2"))

    with capture_logs() as logs, collecting(wrong, lambda _: None, connected=False) as bus:
        until(lambda: bool(logs))
        assert not bus.is_connected
    with pytest.raises(BusUnavailable) as caught:
        SamplePublisher(wrong).send(b"[]")

    assert "hunter2" not in f"{logs} {caught.value}"
    assert "ACCESS_REFUSED" in logs[0]["error"]


def test_a_batch_no_queue_takes_is_not_taken(url: str, database: StubPublisher) -> None:
    publisher = SamplePublisher(settings(url))
    with pytest.raises(BusUnavailable, match="no exchange"):
        publisher.send(encode_batch([good(1)]))
    with storing(settings(url), database):
        pass
    with channel(url) as client:
        client.queue_delete("nephometer.samples")

    with pytest.raises(BusUnavailable, match="no queue took it"):
        publisher.send(encode_batch([good(1)]))

    with storing(settings(url), database):
        publisher.send(encode_batch([good(1)]))
        until(lambda: bool(database.samples))
    publisher.close()
    assert resources(database) == ["vm-1"]


def test_a_broker_that_blocks_publishers_costs_a_bounded_time(
    rabbitmq: RabbitMQ, url: str, database: StubPublisher
) -> None:
    publisher = SamplePublisher(settings(url, timeout=1))
    with storing(settings(url), database):
        rabbitmq.management("set_vm_memory_high_watermark", "0.00001")
        try:
            started = time.monotonic()
            with pytest.raises(BusUnavailable):
                publisher.send(encode_batch([good(1)]))
            assert time.monotonic() - started < 6
        finally:
            rabbitmq.management("set_vm_memory_high_watermark", "0.4")

        def is_taken() -> bool:
            try:
                publisher.send(encode_batch([good(2)]))
            except BusUnavailable:
                return False
            return True

        until(is_taken)
    publisher.close()


def test_an_idle_publisher_keeps_its_connection_by_heartbeats(url: str, database: StubPublisher) -> None:
    proxy = Proxy(url)
    publisher = SamplePublisher(settings(proxy.url, heartbeat=2))
    with storing(settings(url), database):
        publisher.send(encode_batch([good(1)]))
        time.sleep(5)
        publisher.send(encode_batch([good(2)]))
    publisher.close()
    proxy.close()

    assert proxy.connections == 1


def test_half_open_connections_are_found_by_heartbeats(url: str, database: StubPublisher) -> None:
    proxy = Proxy(url)
    with storing(settings(proxy.url, heartbeat=2, timeout=2), database):
        publisher = SamplePublisher(settings(proxy.url, heartbeat=2, timeout=2))
        publisher.send(encode_batch([good(1)]))
        proxy.fall_silent()
        with pytest.raises(BusUnavailable):
            publisher.send(encode_batch([good(2)]))
        publisher.send(encode_batch([good(2)]))
        until(lambda: {"vm-1", "vm-2"} <= set(resources(database)), 40)
        publisher.close()
    proxy.close()


def test_a_slow_database_does_not_cost_the_connection(url: str) -> None:
    processed: list[Message] = []

    def slowly(messages: Sequence[Message]) -> None:
        time.sleep(5)
        processed.extend(messages)

    with capture_logs() as logs, collecting(settings(url, heartbeat=2), slowly):
        send(url, *volumes(1))
        until(lambda: bool(processed))

    assert len(processed) == 1
    assert "bus_away" not in [entry["event"] for entry in logs]


def test_an_absent_database_pauses_consuming_and_loses_and_requeues_nothing(
    url: str, database: StubPublisher
) -> None:
    database.away = True
    few = settings(url, notification_prefetch=10)
    with capture_logs() as logs, storing(few, database):
        send(url, *volumes(40))
        until(lambda: database.attempts >= 3)
        assert waiting(url, "nephometer.notifications") == 30
        database.away = False
        until(lambda: len(database.samples) >= 40, 5)

    assert resources(database) == names(40)
    assert waiting(url, "nephometer.dead") == 0
    events = [entry["event"] for entry in logs if entry["event"].startswith("publishing")]
    assert events == ["publishing_paused", "publishing_resumed"]


def test_what_is_acknowledged_is_gone_and_what_is_not_comes_again(url: str, database: StubPublisher) -> None:
    database.away = True
    with storing(settings(url), database):
        send(url, *volumes(3))
        until(lambda: database.attempts >= 1)
    database.away = False

    with storing(settings(url), database):
        until(lambda: len(database.samples) == 3)
    again = StubPublisher()
    with storing(settings(url), again):
        time.sleep(0.5)

    assert again.samples == []


def test_two_collectors_share_the_work_and_double_nothing(url: str) -> None:
    one, other = StubPublisher(), StubPublisher()
    few = settings(url, notification_prefetch=4)

    with storing(few, one), storing(few, other):
        send(url, *volumes(200))
        until(lambda: len(one.samples) + len(other.samples) >= 200)

    assert sorted(resources(one) + resources(other)) == names(200)
    assert one.samples
    assert other.samples


def test_a_stop_ends_in_time_also_when_the_batch_does_not(url: str, database: StubPublisher) -> None:
    begun, never = threading.Event(), threading.Event()

    def stuck(_messages: Sequence[Message]) -> None:
        begun.set()
        never.wait(60)

    with collecting(settings(url), stuck):
        send(url, *volumes(1))
        assert begun.wait(10)
        started = time.monotonic()
    elapsed_s = time.monotonic() - started
    never.set()

    assert elapsed_s < 10
    with storing(settings(url), database):
        until(lambda: resources(database) == names(1))


def test_a_stop_lets_the_batch_in_work_finish_and_acknowledges_it(url: str, database: StubPublisher) -> None:
    begun = threading.Event()

    def slowly(_messages: Sequence[Message]) -> None:
        begun.set()
        time.sleep(1)

    with collecting(settings(url), slowly):
        send(url, *volumes(1))
        assert begun.wait(10)

    with storing(settings(url), database):
        time.sleep(0.5)
    assert database.samples == []


def test_a_consumer_the_broker_cancelled_subscribes_again(url: str, database: StubPublisher) -> None:
    with storing(settings(url), database), channel(url) as client:
        client.queue_delete("nephometer.notifications")

        def arrives() -> bool:
            send(url, *volumes(1))
            return bool(database.samples)

        until(arrives)


def test_an_absence_longer_than_the_brokers_patience_loses_nothing(
    rabbitmq: RabbitMQ, url: str, database: StubPublisher
) -> None:
    def be_patient(consumer_timeout_ms: int, channel_tick_ms: int) -> None:
        rabbitmq.management(
            "eval",
            f"application:set_env(rabbit, consumer_timeout, {consumer_timeout_ms}),"
            f"application:set_env(rabbit, channel_tick_interval, {channel_tick_ms}).",
        )

    database.away = True
    be_patient(1000, 200)
    try:
        with capture_logs() as logs, storing(settings(url), database):
            send(url, *volumes(20))
            until(lambda: "bus_away" in [entry["event"] for entry in logs])
            database.away = False
            until(lambda: len(database.samples) >= 20)
    finally:
        be_patient(1_800_000, 60_000)

    assert set(resources(database)) == set(names(20))
    assert waiting(url, "nephometer.dead") == 0


def test_poison_through_the_broker_costs_no_good_message(url: str, database: StubPublisher) -> None:
    bad = [message(body).body for body in POISON.values()] + [b"x" * 2**21]

    with storing(settings(url), database):
        bodies = volumes(100 * len(bad))
        for number, body in enumerate(bad):
            bodies.insert(number * 101, body)
        send(url, *bodies)
        until(lambda: len(database.samples) == 100 * len(bad) and len(database.refused) == len(bad), 60)

    assert resources(database) == names(100 * len(bad))


def test_several_notification_brokers_are_consumed_at_once(
    rabbitmq: RabbitMQ, url: str, database: StubPublisher
) -> None:
    other = rabbitmq.create_vhost()

    with storing(settings(url, notification_urls=(url, other)), database):
        send(url, volumes(2)[0])
        send(other, volumes(2)[1])
        until(lambda: resources(database) == names(2))


def test_inspection_tells_what_a_broker_lacks_and_what_waits(url: str, database: StubPublisher) -> None:
    (before,) = inspect(settings(url))
    with storing(settings(url), database):
        (during,) = inspect(settings(url))
    send(url, *volumes(3))
    until(lambda: inspect(settings(url))[0].waiting["nephometer.notifications"] == 3)

    assert before.missing_exchanges == ("nephometer", "nephometer.dead", "nova", "openstack")
    assert before.waiting == {}
    assert during.missing_exchanges == ()
    assert set(during.waiting) == {"nephometer.dead", "nephometer.samples", "nephometer.notifications"}


def test_inspection_of_a_broker_that_is_away_says_so() -> None:
    with pytest.raises(BusUnavailable):
        inspect(settings("amqp://guest:guest@127.0.0.1:1/"))
