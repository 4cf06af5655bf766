"""Whose fault it is when a batch fails again and again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from collector.errors import PublisherUnavailable
from collector.outlet import Outlet
from storage.database import Database
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample
from tests.collector.publishers.stubs import AWAY, SECOND, Clock, Stub, keep, outlet, standing
from tests.factories import MINUTE, sample, series


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
