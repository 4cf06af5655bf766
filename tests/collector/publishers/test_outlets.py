import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from collector.errors import PublisherUnavailable
from collector.outlet import LEASE, PIECES
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Bounds, Outlets, Share, ToAll
from collector.publishers.publisher import SAMPLES
from storage.database import Database
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch, cut
from storage.settings import DatabaseSettings
from storage.standings import Standings
from tests.collector.publishers.stubs import (
    AWAY,
    EVENT,
    SECOND,
    Clock,
    Stub,
    drain,
    keep,
    outlet,
    outlets,
    standing,
)
from tests.factories import MINUTE, NOW, sample, series


def test_everything_kept_is_delivered_once_and_in_order(store: Database, clock: Clock) -> None:
    stub = Stub()
    for second in range(3):
        keep(store, clock, stub, series(2, resource_id=f"vm-{second}"), [EVENT] if second == 1 else ())
        clock.pass_by(SECOND)

    drain(outlet(store, stub, clock))

    assert [one.resource_id for one in stub.samples] == ["vm-0", "vm-0", "vm-1", "vm-1", "vm-2", "vm-2"]
    assert stub.events == [EVENT]
    assert standing(store).batches == 0


def test_a_publisher_is_given_only_what_it_takes(store: Database, clock: Clock) -> None:
    stub = Stub(takes=SAMPLES)

    keep(store, clock, stub, (), [EVENT])

    assert outlet(store, stub, clock).turn() is None


def test_a_routing_decides_who_gets_what(store: Database, clock: Clock) -> None:
    class Billing:
        def route(self, samples: SampleBatch, events: Sequence[Event]) -> list[Share]:
            return [Share("a://", samples=next(cut(samples, 1))), Share("b://", events=events)]

    a, b = Stub("a://"), Stub("b://")
    Outlets(store, [a, b], Billing(), OutletMetrics(CollectorRegistry()), clock).keep(
        arrange(series(2)), [EVENT]
    )
    clock.pass_by(SECOND)

    for stub in (a, b):
        drain(outlet(store, stub, clock))

    assert ((a.samples, a.events), (b.samples, b.events)) == ((series(1), []), ([], [EVENT]))


def test_one_that_is_away_delays_no_other_and_gets_everything_when_it_returns(store: Database) -> None:

    away, there = Stub("away://"), Stub("there://")
    away.away = AWAY
    both = Outlets(
        store,
        [away, there],
        ToAll([away, there]),
        OutletMetrics(CollectorRegistry()),
        lambda: datetime.now(UTC),
        longest_wait_s=0.1,
    )
    stop = threading.Event()
    running = threading.Thread(target=both.run, args=(stop,))
    running.start()

    for number in range(3):
        both.keep(arrange(series(1, resource_id=f"vm-{number}")), ())
        there.wait(number + 1)
    delivered_meanwhile = len(away.samples)
    away.away = None
    away.wait(3)
    stop.set()
    running.join(10)

    assert delivered_meanwhile == 0
    assert sorted(one.resource_id for one in away.samples) == ["vm-0", "vm-1", "vm-2"]
    assert len(there.samples) == 3
    assert (away.is_closed, there.is_closed) == (True, True)


def test_waiting_times_grow_and_begin_anew_after_a_success(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.away = AWAY
    keep(store, clock, stub, series(1))
    one = outlet(store, stub, clock)
    waits = []

    for _ in range(8):
        waits.append(one.turn() or 0)
        clock.pass_by(MINUTE)
    stub.away = None
    drain(one)
    stub.away = AWAY
    keep(store, clock, stub, series(1))
    clock.pass_by(SECOND)

    assert waits[0] <= 0.5
    assert 15 <= waits[-1] <= 30
    assert (one.turn() or 0) <= 0.5


def test_a_destination_that_asks_for_time_gets_it(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.away = PublisherUnavailable("HTTP 429", wait=timedelta(seconds=45))
    keep(store, clock, stub, series(1))
    one = outlet(store, stub, clock)

    assert one.turn() == 45
    clock.pass_by(timedelta(seconds=44))
    assert one.turn() is None


def test_what_a_killed_process_was_delivering_is_delivered_by_another(store: Database, clock: Clock) -> None:
    class Killed(Stub):
        def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
            raise SystemExit

    survivor = Stub()
    keep(store, clock, survivor, series(3))
    with pytest.raises(SystemExit):
        outlet(store, Killed(), clock).turn()

    before = outlet(store, survivor, clock).turn()
    clock.pass_by(LEASE + SECOND)
    drain(outlet(store, survivor, clock))

    assert before is None
    assert survivor.samples == series(3)


def test_processes_that_deliver_at_the_same_time_share_the_work(store: Database, clock: Clock) -> None:
    stubs = [Stub() for _ in range(4)]
    for number in range(12):
        keep(store, clock, stubs[0], series(2_000, resource_id=f"vm-{number}"))
    clock.pass_by(SECOND)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda stub: drain(outlet(store, stub, clock)), stubs))

    delivered = [(one.resource_id, one.timestamp) for stub in stubs for one in stub.samples]
    assert len(delivered) == len(set(delivered)) == 24_000


def test_poison_is_set_aside_alone(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.poison = frozenset({"bad"})
    keep(store, clock, stub, [*series(100), sample(meter="bad"), *series(50, resource_id="other")])
    keep(store, clock, stub, series(10, resource_id="behind"))
    clock.pass_by(SECOND)

    drain(outlet(store, stub, clock))

    assert len(stub.samples) == 160
    assert (standing(store).aside, standing(store).batches) == (1, 0)


def test_when_everything_is_poison_the_attempts_are_counted(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.poison = frozenset({"cpu"})
    keep(store, clock, stub, series(PIECES // 5))
    clock.pass_by(SECOND)

    drain(outlet(store, stub, clock))

    assert stub.attempts < 80
    assert standing(store).aside == PIECES // 5


def test_a_publisher_that_fails_unforeseen_sets_aside_at_last(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.broken = True
    keep(store, clock, stub, series(1))
    one = outlet(store, stub, clock)

    for _ in range(6):
        clock.pass_by(MINUTE)
        one.turn()

    assert standing(store).aside == 1


def test_the_standing_says_what_is_wrong_until_it_works_again(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.away = AWAY
    keep(store, clock, stub, series(1))
    outlet(store, stub, clock).turn()
    failing = standing(store)
    stub.away = None
    clock.pass_by(MINUTE)

    drain(outlet(store, stub, clock))  # another process by now

    assert (failing.error, failing.failing_since) == ("connection refused", NOW)
    assert standing(store).error is None


def test_what_waits_too_long_or_is_too_much_is_dropped_oldest_first_and_counted(
    store: Database, clock: Clock
) -> None:
    stub = Stub()
    registry = CollectorRegistry()
    kept = Outlets(
        store,
        [stub],
        ToAll([stub]),
        OutletMetrics(registry),
        clock,
        bounds=Bounds(timedelta(hours=1), 8_000),
    )
    Standings(store).begin(stub.name)
    kept.keep(arrange(series(5, resource_id="old")), ())
    clock.pass_by(timedelta(hours=1, seconds=1))
    kept.keep(arrange(series(500, resource_id="many")), ())
    clock.pass_by(SECOND)
    kept.keep(arrange(series(7, resource_id="new")), ())

    kept.watch()
    drain(outlet(store, stub, clock))

    assert {one.resource_id for one in stub.samples} == {"new"}
    labels = {"publisher": stub.name}
    assert registry.get_sample_value("nephometer_publisher_dropped_total", labels) == 505
    assert registry.get_sample_value("nephometer_publisher_waiting_batches", labels) == 1


def test_metrics_tell_lag_bytes_and_the_last_error(store: Database, clock: Clock) -> None:
    stub, registry = Stub(), CollectorRegistry()
    stub.away = AWAY
    kept = Outlets(store, [stub], ToAll([stub]), OutletMetrics(registry), clock)
    kept.keep(arrange(series(1)), ())
    outlet(store, stub, clock).turn()
    clock.pass_by(MINUTE)

    kept.watch()

    by = {"publisher": stub.name}
    failing = {**by, "error": "connection refused"}
    assert registry.get_sample_value("nephometer_publisher_lag_seconds", by) == 60
    assert (registry.get_sample_value("nephometer_publisher_waiting_bytes", by) or 0) > 100
    assert registry.get_sample_value("nephometer_publisher_failing", failing) == 1


def test_a_database_that_is_away_keeps_the_message_unacknowledged(clock: Clock) -> None:
    stub = Stub()
    away = Database(DatabaseSettings(url="postgresql+psycopg://nobody@127.0.0.1:1/nothing"))

    with pytest.raises(PublisherUnavailable, match="cannot be kept"):
        outlets(away, clock, stub).keep(arrange(series(1)), ())
