"""A delivery may take longer than a lease."""

import threading
from collections.abc import Sequence

from collector.outlet import LEASE, PIECES
from storage.database import Database
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from tests.collector.publishers.stubs import SECOND, Clock, Stub, outlet, outlets, standing
from tests.factories import series


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


def test_a_program_that_ends_delivers_what_it_has_begun_and_leaves_the_rest_to_be_had_at_once(
    store: Database, clock: Clock
) -> None:
    ending, other = Stub(), Stub()
    kept = outlets(store, clock, ending)
    given = series(PIECES + 2)
    for some in (given[: PIECES - 1], given[PIECES - 1 :]):
        kept.keep(arrange(some), ())
    clock.pass_by(SECOND)

    outlet(store, ending, clock).turn(lambda: bool(ending.samples))
    delivered = len(ending.samples)
    while outlet(store, other, clock).turn() is not None:
        pass

    assert 0 < delivered < len(given)
    assert delivered + len(other.samples) == len(given)
