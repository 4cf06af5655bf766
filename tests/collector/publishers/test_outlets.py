import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from collector.errors import PublisherUnavailable
from collector.outlet import LEASE, PIECES, Outlet
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Bounds, Outlets, Share, ToAll
from collector.publishers.publisher import SAMPLES
from storage.database import Database
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch, cut
from storage.sample import Sample
from storage.settings import DatabaseSettings
from storage.standings import Standing, Standings
from tests.collector.publishers.stubs import EVENT, Clock, Stub, outlet
from tests.factories import MINUTE, NOW, sample, series

SECOND = timedelta(seconds=1)
AWAY = PublisherUnavailable("connection refused")


def outlets(database: Database, clock: Clock, *publishers: Stub, bounds: Bounds | None = None) -> Outlets:
    registry = CollectorRegistry()
    return Outlets(
        database,
        publishers,
        ToAll(publishers),
        OutletMetrics(registry),
        clock,
        bounds=bounds,
        longest_wait_s=0.1,
    )


def keep(
    database: Database, clock: Clock, stub: Stub, samples: Sequence[Sample] = (), events: Sequence[Event] = ()
) -> None:
    outlets(database, clock, stub).keep(arrange(samples), events)


def drain(one: Outlet) -> None:
    while one.turn() is not None:
        """There is more."""


def standing(database: Database) -> Standing:
    (found,) = Standings(database).all()
    return found


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


def keep_each(store: Database, clock: Clock, stub: Stub, *batches: Sequence[Sample]) -> None:
    """Puts batches into the queue, a second apart."""
    for batch in batches:
        keep(store, clock, stub, batch)
        clock.pass_by(SECOND)


def delivered(stub: Stub) -> set[tuple[str, datetime]]:
    return {(one.resource_id, one.timestamp) for one in stub.samples}


def for_minutes(one: Outlet, clock: Clock, minutes: int) -> None:
    for _ in range(minutes):
        drain_until_it_fails(one)
        clock.pass_by(MINUTE)


def drain_until_it_fails(one: Outlet) -> None:
    while one.turn() == 0:
        """There is more."""


CRASHING = sample(meter="bad", resource_id="bad")


@pytest.mark.parametrize(
    ("first", "aside"),
    [
        ([*series(100), CRASHING, *series(50, resource_id="other")], 1),
        ([CRASHING], 1),
        (series(40, resource_id="bad", meter="bad"), 40),
        ([*series(30), *series(3, resource_id="bad", meter="bad")], 3),
    ],
)
def test_what_makes_a_destination_fail_is_set_aside_while_others_arrive(
    store: Database, clock: Clock, first: list[Sample], aside: int
) -> None:
    stub = Stub()
    stub.crashes_on = frozenset({"bad"})
    keep_each(store, clock, stub, first, series(10, resource_id="behind"))

    for_minutes(outlet(store, stub, clock), clock, 12)

    good = [one for one in [*first, *series(10, resource_id="behind")] if one.meter != "bad"]
    assert delivered(stub) == {(one.resource_id, one.timestamp) for one in good}
    assert (standing(store).aside, standing(store).batches) == (aside, 0)
    assert "HTTP 500: it crashed" in (standing(store).reason or "")
    assert standing(store).error is None


def test_every_batch_that_makes_it_fail_is_told_apart_even_where_none_is_good(
    store: Database, clock: Clock
) -> None:
    stub = Stub()
    stub.crashes_on = frozenset({"bad"})
    keep_each(
        store, clock, stub, *([*series(9, resource_id=f"vm-{number}"), CRASHING] for number in range(6))
    )

    for_minutes(outlet(store, stub, clock), clock, 30)

    assert len(delivered(stub)) == 54
    assert (standing(store).aside, standing(store).batches) == (6, 0)


def test_a_lonely_batch_that_fails_waits_until_another_one_shows_whose_fault_it_is(
    store: Database, clock: Clock
) -> None:
    stub = Stub()
    stub.crashes_on = frozenset({"bad"})
    keep_each(store, clock, stub, [CRASHING])
    one = outlet(store, stub, clock)

    for_minutes(one, clock, 20)
    alone = standing(store).aside
    keep_each(store, clock, stub, series(1))
    for_minutes(one, clock, 70)

    assert (alone, standing(store).aside) == (0, 1)
    assert len(delivered(stub)) == 1


def test_a_destination_that_is_away_for_long_is_asked_little_more_and_misses_nothing(
    store: Database, clock: Clock
) -> None:
    stub = Stub()
    stub.away = AWAY
    keep_each(store, clock, stub, series(100), series(10, resource_id="behind"))
    one = outlet(store, stub, clock)

    for_minutes(one, clock, 300)
    attempts, aside = stub.attempts, standing(store).aside
    stub.away = None
    for_minutes(one, clock, 2)

    assert aside == 0
    assert attempts < 300 + 13 * 11
    assert len(delivered(stub)) == 110


@pytest.mark.parametrize("failures", range(7, 40))
def test_one_that_returns_or_goes_while_it_is_asked_loses_nothing(
    store: Database, clock: Clock, failures: int
) -> None:
    class Flapping(Stub):
        def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
            self.away = AWAY if self.attempts < failures or failures + 3 <= self.attempts < 60 else None
            super().publish(samples, events)

    stub = Flapping()
    keep_each(store, clock, stub, series(10), series(1, resource_id="behind"))

    for_minutes(outlet(store, stub, clock), clock, 60)

    assert standing(store).aside == 0
    assert len(delivered(stub)) == 11


def test_a_destination_that_asks_for_time_is_not_asked_anything_else(store: Database, clock: Clock) -> None:
    stub = Stub()
    stub.away = PublisherUnavailable("HTTP 429", wait=timedelta(seconds=45))
    keep_each(store, clock, stub, series(100), series(1))

    for_minutes(outlet(store, stub, clock), clock, 30)

    assert stub.attempts == 30


def test_a_delivery_that_takes_longer_than_a_lease_is_not_begun_by_another(
    store: Database, clock: Clock
) -> None:
    begun, over = threading.Event(), threading.Event()

    class Slow(Stub):
        def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
            begun.set()
            assert over.wait(20)
            super().publish(samples, events)

    slow, other = Slow(), Stub()
    kept = outlets(store, clock, slow)
    kept.keep(arrange(series(3)), ())
    clock.pass_by(SECOND)
    stop = threading.Event()
    running = threading.Thread(target=kept.run, args=(stop,))
    running.start()
    assert begun.wait(20)

    turns = []
    for _ in range(4):
        clock.pass_by(LEASE * 0.7)
        kept.watch()
        turns.append(outlet(store, other, clock).turn())
    over.set()
    slow.wait(3)
    stop.set()
    running.join(20)

    assert turns == [None] * 4
    assert (len(slow.samples), other.samples) == (3, [])
    assert standing(store).batches == 0
