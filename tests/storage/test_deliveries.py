import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from storage.alarm import Attempt, Delivery, Transition
from storage.alarms import Alarms
from storage.database import Database
from storage.deliveries import Deliveries, Limits
from storage.query import EVERYTHING, Scope
from tests.api.alarms.factories import alarm, change, delivery
from tests.factories import MINUTE, NOW

LIMITS = Limits(total=10, per_host=2, per_project=4, lease=MINUTE)
A, B = Scope("project-a"), Scope("project-b")


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


def owe(database: Database, *owed: Delivery) -> None:
    alarms, one = Alarms(database), alarm()
    alarms.create(one, change(one))
    alarms.record(Transition(one, None, owed))


def attempt(delivery: Delivery, error: str = "", status: int | None = None) -> Attempt:
    return Attempt(delivery.delivery_id, delivery.attempts, NOW, status, error, 12)


def test_a_leased_delivery_is_not_leased_again_until_the_lease_ends(
    deliveries: Deliveries, database: Database
) -> None:
    owe(database, delivery())

    taken = [deliveries.lease(NOW + timedelta(seconds=s), [], LIMITS) for s in (0, 59, 60)]

    assert [[one.attempts for one in leased] for leased in taken] == [[1], [], [2]]


def test_a_delivery_comes_back_byte_for_byte(deliveries: Deliveries, database: Database) -> None:
    owed = delivery(
        body=b'{"a": "\\u00e9"}\x00\xff', url="https://receiver.example/?q=%C3%A9&x=1", project_id=None
    )
    owe(database, owed)

    (leased,) = deliveries.lease(NOW, [], LIMITS)

    assert leased == replace(owed, attempts=1)


def test_a_delivered_webhook_is_never_leased_again(deliveries: Deliveries, database: Database) -> None:
    owe(database, delivery())
    (leased,) = deliveries.lease(NOW, [], LIMITS)

    deliveries.record(replace(leased, state="delivered"), attempt(leased, status=204))

    assert deliveries.lease(NOW + timedelta(days=9), [], LIMITS) == []
    assert deliveries.find(A, 9)[0].state == "delivered"
    assert deliveries.oldest_due() is None


def test_a_postponed_webhook_is_leased_at_its_next_attempt(
    deliveries: Deliveries, database: Database
) -> None:
    owe(database, delivery())
    (leased,) = deliveries.lease(NOW, [], LIMITS)

    deliveries.record(
        replace(leased, step=1, next_attempt_at=NOW + 5 * MINUTE),
        attempt(leased, "the receiver answered 500", 500),
    )

    assert deliveries.lease(NOW + 4 * MINUTE, [], LIMITS) == []
    (again,) = deliveries.lease(NOW + 5 * MINUTE, [], LIMITS)
    assert (again.delivery_id, again.attempts, again.step) == (leased.delivery_id, 2, 1)


def test_every_attempt_is_logged(deliveries: Deliveries, database: Database) -> None:
    owe(database, delivery())
    for minute in range(3):
        (leased,) = deliveries.lease(NOW + minute * MINUTE, [], LIMITS)
        deliveries.record(replace(leased, next_attempt_at=NOW), attempt(leased, "no", 500 + minute))

    log = deliveries.attempts(A, leased.delivery_id)

    assert [(one.number, one.status, one.error) for one in log] == [
        (1, 500, "no"),
        (2, 501, "no"),
        (3, 502, "no"),
    ]
    assert deliveries.attempts(B, leased.delivery_id) == []


def test_a_late_failure_does_not_disturb_the_attempt_that_followed(
    deliveries: Deliveries, database: Database
) -> None:
    owe(database, delivery())
    (slow,) = deliveries.lease(NOW, [], LIMITS)
    (current,) = deliveries.lease(NOW + MINUTE, [], LIMITS)

    deliveries.record(replace(slow, state="failed"), attempt(slow, "too late"))

    assert deliveries.find(A, 9)[0].state == "pending"
    assert [one.number for one in deliveries.attempts(A, slow.delivery_id)] == [1]
    assert current.attempts == 2


def test_a_late_success_counts(deliveries: Deliveries, database: Database) -> None:
    owe(database, delivery())
    (slow,) = deliveries.lease(NOW, [], LIMITS)
    (current,) = deliveries.lease(NOW + MINUTE, [], LIMITS)

    deliveries.record(replace(slow, state="delivered"), attempt(slow, status=200))
    deliveries.record(replace(current, step=1, next_attempt_at=NOW), attempt(current, "no", 500))

    assert deliveries.find(A, 9)[0].state == "delivered"


def test_one_host_and_one_project_get_their_share_and_no_more(
    deliveries: Deliveries, database: Database
) -> None:
    crowd = [delivery(host=f"h{n % 5}") for n in range(20)]
    good = delivery(project_id="project-b", host="good", next_attempt_at=NOW + timedelta(seconds=1))
    owe(database, *crowd, good)

    leased = deliveries.lease(NOW + MINUTE, [], LIMITS)

    assert len([one for one in leased if one.project_id == "project-a"]) == 4
    assert good.delivery_id in {one.delivery_id for one in leased}
    hosts = [one.host for one in leased]
    assert max(hosts.count(host) for host in hosts) <= 2


def test_what_is_under_way_counts_against_the_limits(deliveries: Deliveries, database: Database) -> None:
    busy = [delivery(host="slow"), delivery(host="slow")]
    owe(database, delivery(host="slow"), delivery(host="fast"))

    leased = deliveries.lease(NOW, busy, LIMITS)

    assert [one.host for one in leased] == ["fast"]
    assert deliveries.lease(NOW, busy, replace(LIMITS, total=2)) == []


def test_a_crowd_of_thousands_does_not_hide_another_project(
    deliveries: Deliveries, database: Database
) -> None:
    crowd = [delivery(host="dead") for _ in range(600)]
    owe(database, *crowd, delivery(project_id="project-b", host="good", next_attempt_at=NOW + MINUTE))

    first = deliveries.lease(NOW + MINUTE, [], LIMITS)
    second = deliveries.lease(NOW + MINUTE, first, LIMITS)

    assert [one.host for one in first + second] == ["dead", "dead", "good"]


def test_senders_that_race_never_lease_one_delivery_twice(deliveries: Deliveries, database: Database) -> None:
    owed = [delivery(host=f"h{n}") for n in range(24)]
    owe(database, *owed)
    start, leased = threading.Barrier(3), list[str]()

    def lease() -> None:
        start.wait()
        for _ in range(12):
            leased.extend(one.delivery_id for one in deliveries.lease(NOW, [], LIMITS))

    threads = [threading.Thread(target=lease) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(leased) == sorted(one.delivery_id for one in owed)


def test_a_failed_webhook_can_be_replayed_from_the_start(deliveries: Deliveries, database: Database) -> None:
    owe(database, delivery())
    (leased,) = deliveries.lease(NOW, [], LIMITS)
    deliveries.record(replace(leased, state="failed", step=10), attempt(leased, "no"))

    replayed = [deliveries.replay(scope, leased.delivery_id, NOW) for scope in (B, A, A)]

    (again,) = deliveries.lease(NOW, [], LIMITS)
    assert replayed == [False, True, False]
    assert (again.delivery_id, again.step, again.attempts) == (leased.delivery_id, 0, 2)


def test_deliveries_are_found_by_alarm_and_state_in_their_scope(
    deliveries: Deliveries, database: Database
) -> None:
    owe(database, delivery(alarm_id="one"), delivery(alarm_id="two", project_id="project-b"))

    assert [one.alarm_id for one in deliveries.find(A, 9)] == ["one"]
    assert [one.alarm_id for one in deliveries.find(EVERYTHING, 9, alarm_id="two")] == ["two"]
    assert deliveries.find(EVERYTHING, 9, state="failed") == []
    assert len(deliveries.find(EVERYTHING, 1)) == 1


def test_all_processes_share_the_first_signing_key(deliveries: Deliveries, database: Database) -> None:
    start, keys = threading.Barrier(3), list[bytes]()

    def make(fresh: bytes) -> None:
        start.wait()
        keys.append(Deliveries(database).signing_key(fresh, NOW))

    threads = [threading.Thread(target=make, args=(bytes([n]) * 32,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(keys)) == 1
    assert deliveries.signing_key(b"late", NOW) == keys[0]
