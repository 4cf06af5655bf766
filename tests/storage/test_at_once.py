"""Batches that are stored while something else happens to the same tables: each reading is there once all the same."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.sample import to_microseconds
from storage.samples import Samples
from storage.upkeep.partition_kinds import SPAN, PostgreSQL
from tests.factories import MINUTE, NOW, sample, series

COUNT = 200
PATIENCE_S = 20


def volumes(store: Samples) -> list[int | float]:
    """Of all there is, oldest first."""
    found = store.find(SampleQuery(EVERYTHING), 10_000)
    return [one.sample.volume for one in reversed(found)]


@pytest.mark.parametrize("is_careful", [False, True])
def test_a_row_whose_partition_is_attached_while_it_is_on_its_way_elsewhere_is_taken(
    postgres: Database, is_careful: bool
) -> None:
    store = Samples(postgres)
    store.store([sample()], received_at=NOW)
    if is_careful:  # a row that is there already makes it INSERT instead of COPY, for a while
        store.store([sample()], received_at=NOW)
    late = NOW + timedelta(microseconds=SPAN)
    kind, start = PostgreSQL(), to_microseconds(late)

    with ThreadPoolExecutor(1) as pool:
        with postgres.write() as attaching:
            (step,) = kind.steps(attaching, kind.find(attaching), [(start, start + SPAN)])
            for statement in step.statements:
                attaching.exec_driver_sql(statement)
            stored = pool.submit(store.store, [sample(timestamp=late, volume=7)], received_at=late)
            wait_until_blocked(postgres)

        assert stored.result(PATIENCE_S).new == 1
    assert volumes(store) == [1_000_000_000, 7]
    with postgres.read() as connection:
        (attached,) = [part.name for part in kind.find(connection) if part.start == start]
        assert connection.execute(text(f"SELECT count(*) FROM {attached}")).scalar_one() == 1


def test_batches_of_one_process_that_share_readings_are_stored_at_once(database: Database) -> None:
    store, together = Samples(database), Barrier(3)
    readings = series(COUNT, step=MINUTE / 10)
    parts = [readings[: COUNT // 2], readings[COUNT // 4 : COUNT * 3 // 4], readings[COUNT // 2 :]]

    def tell(number: int) -> int:
        together.wait()
        return store.store(parts[number], received_at=NOW + timedelta(microseconds=number)).new

    with ThreadPoolExecutor(3) as pool:
        new = sum(pool.map(tell, range(3)))

    assert new == COUNT
    assert volumes(store) == [one.volume for one in readings]


def wait_until_blocked(database: Database) -> None:
    """Returns when a transaction waits for a lock."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with database.read() as connection:
            if connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")
