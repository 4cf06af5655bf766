"""Notifications published to a real RabbitMQ."""

import json

import pytest
from pydantic import SecretStr

from collector.bus import NotificationPublisher
from collector.errors import BusUnavailable
from tests.collector.brokers import channel, settings, storing, until, volumes
from tests.collector.factories import StubPublisher

EXCHANGE, KEY = "ceilometer", "metering.sample"


def test_a_notification_reaches_whoever_bound_a_queue(url: str) -> None:
    publisher = NotificationPublisher(SecretStr(url), settings(url))

    with channel(url) as client:
        with pytest.raises(BusUnavailable, match="no queue took it"):
            publisher.send(EXCHANGE, KEY, b"{}")
        client.queue_declare("theirs")
        client.queue_bind("theirs", EXCHANGE, KEY)
        publisher.send(EXCHANGE, KEY, b'{"payload": 1}')
        _, properties, body = client.basic_get("theirs", auto_ack=True)
    publisher.close()

    assert json.loads(body) == {"payload": 1}
    assert (properties.content_type, properties.content_encoding, properties.delivery_mode) == (
        "application/json",
        "utf-8",
        2,
    )


def test_an_exchange_that_exists_stays_as_it_is_and_one_that_vanished_is_made_again(url: str) -> None:
    publisher = NotificationPublisher(SecretStr(url), settings(url))

    with channel(url) as client:
        client.exchange_declare(EXCHANGE, "fanout", auto_delete=False)
        client.queue_declare("theirs")
        client.queue_bind("theirs", EXCHANGE, KEY)
        publisher.send(EXCHANGE, KEY, b"1")
        client.exchange_delete(EXCHANGE)
        with pytest.raises(BusUnavailable):
            publisher.send(EXCHANGE, KEY, b"2")
        with pytest.raises(BusUnavailable, match="no queue took it"):
            publisher.send(EXCHANGE, KEY, b"2")
        client.exchange_declare(EXCHANGE, "topic")
    publisher.close()


def test_what_we_publish_our_own_collector_understands(url: str, keeper: StubPublisher) -> None:
    publisher = NotificationPublisher(SecretStr(url), settings(url))

    with storing(settings(url), keeper):
        for body in volumes(3):
            publisher.send("openstack", "notifications.info", body)
        until(lambda: len(keeper.samples) == 3)
    publisher.close()


def test_a_server_that_is_away_is_passed_over_for_the_next(url: str, keeper: StubPublisher) -> None:
    both = url.replace("amqp://guest:guest@", "rabbit://guest:guest@127.0.0.1:1,guest:guest@")
    publisher = NotificationPublisher(SecretStr(both), settings(both))

    with storing(settings(both), keeper):
        publisher.send("openstack", "notifications.info", volumes(1)[0])
        until(lambda: len(keeper.samples) == 1)
    publisher.close()


def test_when_every_server_is_away_each_is_told() -> None:
    nowhere = "amqp://guest:hunter2@127.0.0.1:1,127.0.0.1:2/"
    publisher = NotificationPublisher(SecretStr(nowhere), settings(nowhere))

    with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1:1.*127\.0\.0\.1:2") as caught:
        publisher.send(EXCHANGE, KEY, b"{}")

    assert "hunter2" not in str(caught.value)
