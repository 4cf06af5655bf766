import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from api.alarms.address import Policy
from api.alarms.delivery import SCHEDULE, DeliveryLoop, outcome
from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import Result, Sender, WebhookSender
from api.alarms.webhook import Signer
from storage.alarm import Delivery
from storage.database import Database
from storage.deliveries import Deliveries, Limits
from storage.errors import DatabaseUnavailable
from storage.query import EVERYTHING
from tests.api.alarms.factories import delivery
from tests.api.alarms.watching import owe
from tests.api.world import empty_database
from tests.factories import NOW
from tests.receiver import Receiver
from tests.running import running
from tests.web import Reply

TAKEN, REFUSED = Result(204, ""), Result(500, "the receiver answered 500")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Scripted:
    """Ends attempts as told, and remembers under which id and to whom they went."""

    def __init__(self, *results: Result) -> None:
        self._results = list(results)
        self.ids: list[str] = []

    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        self.ids.append(headers["webhook-id"])
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return empty_database(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def loop(
    deliveries: Deliveries,
    sender: Sender,
    clock: Clock,
    limits: Limits | None = None,
    *,
    registry: CollectorRegistry | None = None,
) -> DeliveryLoop:
    metrics = AlarmMetrics(registry or CollectorRegistry())
    signer = Signer(deliveries, None, clock)
    return DeliveryLoop(deliveries, sender, signer, metrics, clock, limits=limits)


def finish(delivering: DeliveryLoop, clock: Clock) -> int:
    started = delivering.start_due(clock.now)
    assert delivering.wait(10)
    return started


def test_a_taken_webhook_is_delivered() -> None:
    assert outcome(delivery(), TAKEN, NOW).state == "delivered"


def test_a_refused_webhook_is_tried_as_standard_webhooks_says_and_then_given_up() -> None:
    waits, owed, now = [], delivery(), NOW
    while owed.state == "pending":
        owed = outcome(owed, REFUSED, now)
        waits.append(owed.next_attempt_at - now)
        now = owed.next_attempt_at

    hours = [timedelta(hours=h) for h in (2, 5, 10, 14, 20, 24)]
    assert waits[:-1] == [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), *hours]
    assert owed.state == "failed"
    assert now - NOW > timedelta(days=3)
    assert len(waits) == len(SCHEDULE)


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    assert outcome(delivery(), Result(410, "gone"), NOW).state == "failed"


@pytest.mark.parametrize(("asked_s", "waits_s"), [(1, 5), (60, 60), (3600, 3600), (10**9, 3600)])
def test_retry_after_lengthens_a_wait_up_to_an_hour(asked_s: int, waits_s: int) -> None:
    result = Result(429, "slow down", timedelta(seconds=asked_s))

    after = outcome(delivery(), result, NOW)

    assert after.next_attempt_at == NOW + timedelta(seconds=waits_s)


def test_a_webhook_is_retried_under_the_same_id_until_it_is_taken(database: Database, clock: Clock) -> None:
    deliveries, sender = owe(database, delivery()), Scripted(REFUSED, REFUSED, TAKEN)
    delivering = loop(deliveries, sender, clock)

    for _ in range(3):
        assert finish(delivering, clock) == 1
        clock.now += timedelta(minutes=6)

    (done,) = deliveries.find(EVERYTHING, 9)
    assert done.state == "delivered"
    assert sender.ids == [done.delivery_id] * 3
    log = deliveries.attempts(EVERYTHING, done.delivery_id)
    assert [(one.number, one.status) for one in log] == [(1, 500), (2, 500), (3, 204)]
    assert finish(delivering, clock) == 0


def test_a_webhook_whose_sender_died_is_sent_again_under_the_same_id(
    database: Database, clock: Clock
) -> None:
    deliveries, sender = owe(database, delivery()), Scripted(TAKEN)
    died_before_sending = deliveries.lease(clock.now, [], Limits())
    clock.now += timedelta(seconds=61)
    (died_after_sending,) = deliveries.lease(clock.now, [], Limits())
    sender.send(died_after_sending, {"webhook-id": died_after_sending.delivery_id})
    clock.now += timedelta(seconds=61)

    finish(loop(deliveries, sender, clock), clock)

    (done,) = deliveries.find(EVERYTHING, 9)
    assert done.state == "delivered"
    assert sender.ids == [died_before_sending[0].delivery_id] * 2
    assert [one.number for one in deliveries.attempts(EVERYTHING, done.delivery_id)] == [3]


def test_a_fault_of_ours_in_one_delivery_does_not_hinder_others(database: Database, clock: Clock) -> None:
    broken, good = delivery(host="a"), delivery(host="b")
    deliveries = owe(database, broken, good)

    class Faulty:
        def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
            if delivery.host == "a":
                raise ZeroDivisionError
            return TAKEN

    finish(loop(deliveries, Faulty(), clock), clock)

    states = {one.host: one.state for one in deliveries.find(EVERYTHING, 9)}
    assert states == {"a": "pending", "b": "delivered"}


def test_a_receiver_that_hangs_delays_nobody_else(database: Database) -> None:
    clock, release = Clock(), threading.Event()
    with Receiver([Reply(delay=release)]) as dead, Receiver() as good:
        crowd = [delivery(url=dead.url, host="dead") for _ in range(20)]
        others = [
            delivery(
                url=good.url, host="good", project_id=f"p{n}", next_attempt_at=NOW + timedelta(seconds=1)
            )
            for n in range(10)
        ]
        deliveries = owe(database, *crowd, *others)
        sender = WebhookSender(Policy(["127.0.0.0/8"]), 30)
        clock.now = NOW + timedelta(seconds=2)

        with running(loop(deliveries, sender, clock).run):
            received = good.wait(10, timeout_s=10)
            waiting = len(dead.wait(2))
            release.set()

    assert len(received) == 10
    assert waiting == 2


def test_the_loop_delivers_signed_webhooks_and_stops(database: Database, receiver: Receiver) -> None:
    today = datetime.now(UTC)
    deliveries = owe(database, *(delivery(url=receiver.url, next_attempt_at=today) for _ in range(2)))
    sender = WebhookSender(Policy(["127.0.0.0/8"]), 10)

    class Now(Clock):
        def __call__(self) -> datetime:
            return datetime.now(UTC)  # the verifying library compares with the real clock

    with running(loop(deliveries, sender, Now()).run):
        received = receiver.wait(2)

    verifier = Webhook(Signer(deliveries, None, Now()).secret("project-a"))
    for got in received:
        assert verifier.verify(got.body, dict(got.headers)) == {"alarm_name": "hot"}
    assert len({got.headers["webhook-id"] for got in received}) == 2
    assert [one.state for one in deliveries.find(EVERYTHING, 9)] == ["delivered"] * 2


def test_the_loop_waits_out_a_database_that_is_away(
    database: Database, receiver: Receiver, clock: Clock
) -> None:
    asked, back = threading.Event(), threading.Event()

    class Flaky(Deliveries):
        def lease(self, now: datetime, under_way: object, limits: Limits) -> list[Delivery]:
            if back.is_set():
                return super().lease(now, [], limits)
            asked.set()
            raise DatabaseUnavailable("away")

    owe(database, delivery(url=receiver.url))
    delivering = loop(Flaky(database), WebhookSender(Policy(["127.0.0.0/8"]), 10), clock)

    with running(delivering.run):
        assert asked.wait(10)
        back.set()
        assert receiver.wait(1)


def test_no_more_is_under_way_than_allowed(database: Database, clock: Clock) -> None:
    deliveries = owe(database, *(delivery(host=f"h{n}", project_id=f"p{n}") for n in range(6)))
    release = threading.Event()

    class Waiting:
        def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
            release.wait(10)
            return TAKEN

    delivering = loop(deliveries, Waiting(), clock, replace(Limits(), total=4))

    started = [delivering.start_due(clock.now) for _ in range(2)]
    release.set()

    assert started == [4, 0]
    assert delivering.wait(10)
    assert finish(delivering, clock) == 2


def test_attempts_are_counted_by_their_result(database: Database, clock: Clock) -> None:
    owed = [delivery(host=f"h{n}", project_id=f"p{n}") for n in range(3)]
    deliveries, registry = owe(database, *owed), CollectorRegistry()
    sender = Scripted(REFUSED, Result(410, "gone"), TAKEN)

    finish(loop(deliveries, sender, clock, replace(Limits(), total=1), registry=registry), clock)
    finish(loop(deliveries, sender, clock, registry=CollectorRegistry()), clock)

    counted = [
        registry.get_sample_value("nephometer_webhook_attempts_total", {"result": result})
        for result in ("retry", "failed", "delivered")
    ]
    assert counted == [1.0, None, None]
    assert registry.get_sample_value("nephometer_webhook_attempt_seconds_count") == 1.0


def test_a_thread_the_system_refuses_costs_no_place(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries, sender = owe(database, *(delivery() for _ in range(3))), Scripted(TAKEN)
    delivering = loop(deliveries, sender, clock)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            delivering.start_due(clock.now)
    clock.now += timedelta(seconds=61)

    assert finish(delivering, clock) == 2
