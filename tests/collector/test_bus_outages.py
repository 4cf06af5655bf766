"""The bus and a real RabbitMQ that stops, blocks, falls silent or refuses."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from collector.bus import SamplePublisher
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from tests.broker import RabbitMQ
from tests.collector.brokers import (
    Proxy,
    collecting,
    resources,
    send,
    settings,
    storing,
    until,
    volumes,
)
from tests.collector.factories import StubPublisher, good, pipeline


def told(logs: Sequence[Mapping[str, object]]) -> dict[object, list[object]]:
    """What was said of each queue's connection, in order."""
    events: dict[object, list[object]] = {}
    for entry in logs:
        if str(entry["event"]).startswith("bus_"):
            events.setdefault(entry["broker"], []).append(entry["event"])
    return events


def test_a_broker_restart_heals_by_itself_and_is_said_once(
    rabbitmq: RabbitMQ, url: str, keeper: StubPublisher
) -> None:
    publisher = SamplePublisher(settings(url))
    with capture_logs() as logs, storing(settings(url), keeper) as bus:
        publisher.send(encode_batch([good(1)]))
        until(lambda: len(keeper.samples) == 1)
        rabbitmq.stop()
        with pytest.raises(BusUnavailable):
            publisher.send(encode_batch([good(2)]))
        until(lambda: not bus.is_connected)
        rabbitmq.start()
        until(lambda: bus.is_connected, 15)
        publisher.send(encode_batch([good(2)]))
        send(url, *volumes(1))
        until(lambda: len(keeper.samples) == 3)
    publisher.close()

    assert resources(keeper) == ["vm-1", "vm-2", "volume-0"]
    for events in told(logs).values():
        assert events[0] == events[-1] == "bus_connected"
        assert all(one != next_one for one, next_one in pairwise(events))


def test_a_broker_that_is_away_at_the_start_is_waited_for(
    rabbitmq: RabbitMQ, url: str, keeper: StubPublisher
) -> None:
    rabbitmq.stop()
    try:
        with (
            capture_logs() as logs,
            collecting(settings(url), pipeline(keeper).process, connected=False) as bus,
        ):
            until(lambda: bool(logs))
            rabbitmq.start()
            until(lambda: bus.is_connected, 15)
    finally:
        rabbitmq.start()

    assert list(told(logs).values()) == [["bus_away", "bus_connected"]] * 2
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["bus_away"] * 2


def test_a_wrong_password_is_reported_without_it(url: str) -> None:
    wrong = settings(url.replace("guest:guest", "guest:hunter2"))

    with capture_logs() as logs, collecting(wrong, lambda _: None, connected=False) as bus:
        until(lambda: bool(logs))
        assert not bus.is_connected
    with pytest.raises(BusUnavailable) as caught:
        SamplePublisher(wrong).send(b"[]")

    assert "hunter2" not in f"{logs} {caught.value}"
    assert "ACCESS_REFUSED" in logs[0]["error"]


def test_a_broker_that_blocks_publishers_costs_a_bounded_time(
    rabbitmq: RabbitMQ, url: str, keeper: StubPublisher
) -> None:
    publisher = SamplePublisher(settings(url, timeout=1))
    with storing(settings(url), keeper):
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


def test_an_idle_publisher_keeps_its_connection_by_heartbeats(url: str, keeper: StubPublisher) -> None:
    proxy = Proxy(url)
    publisher = SamplePublisher(settings(proxy.url, heartbeat=2))
    with storing(settings(url), keeper):
        publisher.send(encode_batch([good(1)]))
        time.sleep(5)
        publisher.send(encode_batch([good(2)]))
    publisher.close()
    proxy.close()

    assert proxy.connections == 1


def test_half_open_connections_are_found_by_heartbeats(url: str, keeper: StubPublisher) -> None:
    proxy = Proxy(url)
    with storing(settings(proxy.url, heartbeat=2, timeout=2), keeper):
        publisher = SamplePublisher(settings(proxy.url, heartbeat=2, timeout=2))
        publisher.send(encode_batch([good(1)]))
        proxy.fall_silent()
        with pytest.raises(BusUnavailable):
            publisher.send(encode_batch([good(2)]))
        publisher.send(encode_batch([good(2)]))
        until(lambda: {"vm-1", "vm-2"} <= set(resources(keeper)), 40)
        publisher.close()
    proxy.close()
