"""The bus against a real RabbitMQ while its batches are slow, cannot be stored, or are cut off."""

import threading
import time
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from collector.bus import Bus, consuming
from collector.pipeline import Message
from collector.settings import CollectorSettings
from collector.wiring import Bound, Wiring
from tests.broker import RabbitMQ
from tests.collector.brokers import (
    collecting,
    names,
    resources,
    send,
    settings,
    storing,
    until,
    volumes,
    waiting,
)
from tests.collector.factories import StubPublisher, metrics


def test_what_is_acknowledged_is_gone_and_what_is_not_comes_again(url: str, keeper: StubPublisher) -> None:
    keeper.away = True
    with storing(settings(url), keeper):
        send(url, *volumes(3))
        until(lambda: keeper.attempts >= 1)
    keeper.away = False

    with storing(settings(url), keeper):
        until(lambda: len(keeper.samples) == 3)
    again = StubPublisher()
    with storing(settings(url), again):
        time.sleep(0.5)

    assert again.samples == []


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
    url: str, keeper: StubPublisher
) -> None:
    keeper.away = True
    few = settings(url, notification_prefetch=10)
    with capture_logs() as logs, storing(few, keeper):
        send(url, *volumes(40))
        until(lambda: keeper.attempts >= 3)
        assert waiting(url, "nephometer.notifications") == 30
        keeper.away = False
        until(lambda: len(keeper.samples) >= 40, 5)

    assert resources(keeper) == names(40)
    assert waiting(url, "nephometer.dead") == 0
    events = [entry["event"] for entry in logs if entry["event"].startswith("publishing")]
    assert events == ["publishing_paused", "publishing_resumed"]


def test_much_that_is_held_is_added_to_slowly_and_loses_nothing(
    url: str, keeper: StubPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "HELD_BYTES", 4000)  # in truth too much for a test
    keeper.away = True
    with capture_logs() as logs, storing(settings(url, heartbeat=2), keeper):
        send(url, *volumes(500))
        until(lambda: keeper.attempts >= 3)
        keeper.away = False
        until(lambda: len(keeper.samples) >= 500)

    assert resources(keeper) == names(500)
    assert [entry["event"] for entry in logs].count("bus_connected") == 2  # a connection each for both queues


def test_an_absence_longer_than_the_brokers_patience_loses_nothing(
    rabbitmq: RabbitMQ, url: str, keeper: StubPublisher
) -> None:
    def be_patient(consumer_timeout_ms: int, channel_tick_ms: int) -> None:
        rabbitmq.management(
            "eval",
            f"application:set_env(rabbit, consumer_timeout, {consumer_timeout_ms}),"
            f"application:set_env(rabbit, channel_tick_interval, {channel_tick_ms}).",
        )

    keeper.away = True
    be_patient(1000, 200)
    try:
        with capture_logs() as logs, storing(settings(url), keeper):
            send(url, *volumes(20))
            until(lambda: "bus_away" in [entry["event"] for entry in logs])
            be_patient(1_800_000, 60_000)  # else a slow machine is never fast enough
            keeper.away = False
            until(lambda: len(keeper.samples) >= 20)
    finally:
        be_patient(1_800_000, 60_000)

    assert set(resources(keeper)) == set(names(20))
    assert waiting(url, "nephometer.dead") == 0


def test_a_stop_ends_in_time_also_when_the_batch_does_not(url: str, keeper: StubPublisher) -> None:
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
    with storing(settings(url), keeper):
        until(lambda: resources(keeper) == names(1))


def test_a_stop_lets_the_batch_in_work_finish_and_acknowledges_it(url: str, keeper: StubPublisher) -> None:
    begun = threading.Event()

    def slowly(_messages: Sequence[Message]) -> None:
        begun.set()
        time.sleep(1)

    with collecting(settings(url), slowly):
        send(url, *volumes(1))
        assert begun.wait(10)

    with storing(settings(url), keeper):
        time.sleep(0.5)
    assert keeper.samples == []


def test_a_stop_acknowledges_a_batch_that_was_done_while_the_connection_was_busy(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was left in the queue, to be found as duplicates by the next one."""
    given, stop, bind = settings(url), threading.Event(), Wiring.bind
    processed = threading.Event()

    def bind_for_long(wiring: Wiring) -> Bound:
        if processed.wait(0.2):
            stop.set()
            for thread in threading.enumerate():
                if thread.name == "collector-batch":
                    thread.join()
        return bind(wiring)

    monkeypatch.setattr(consuming, "REBIND_S", 0)
    monkeypatch.setattr(Wiring, "bind", bind_for_long)
    bus = Bus(given, CollectorSettings(batch_wait=0.05), lambda _: processed.set(), metrics())
    running = threading.Thread(target=bus.run, args=(stop,), daemon=True)
    running.start()
    until(lambda: bus.is_connected)
    send(url, *volumes(3))
    running.join(20)

    assert processed.is_set()
    assert waiting(url, given.notification_queue) == 0
