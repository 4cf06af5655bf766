"""What a process stored is sealed without reading it, where nobody else stored anything."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, func, select

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.reading.polled import Condition, PolledRows
from storage.sample import Sample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.tables_tiles import tile
from storage.tiles.kept_rows import KeptRows
from storage.tiles.seal import Sealer
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import Maintained, history
from tests.storage.test_layers import answers, assert_alike

MINUTE = timedelta(minutes=1)


def told(store: Maintained, batches: Sequence[list[Sample]]) -> None:
    for samples in batches:
        store.store(samples)


def is_sealed(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(tile)).scalar_one() > 0


@contextmanager
def reads() -> Iterator[list[int]]:
    """Counts how often rows are read to be sealed."""
    found: list[int] = []
    read = Sealer._read

    def counted(sealer: Sealer, connection: Connection, some: Condition) -> list[PolledRows]:
        rows = read(sealer, connection, some)
        found.extend([1] * bool(rows))  # hours without rows are looked at, too
        return rows

    with patch.object(Sealer, "_read", counted):
        yield found


@pytest.mark.parametrize("seed", range(4))
def test_tiles_answer_as_those_of_rows_that_were_read(database: Database, tmp_path: Path, seed: int) -> None:
    samples = history(seed, hours=12)
    random.Random(seed).shuffle(samples)
    some = [samples[start : start + 300] for start in range(0, len(samples), 300)]
    other = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    reading, keeping = Maintained(other), Maintained(database, keeps=True)
    told(reading, some)
    told(keeping, some)
    with reads() as read:
        reading.seal()
    assert read

    with reads() as read:
        keeping.seal()

    assert not read
    assert is_sealed(database)
    assert_alike(answers(database), answers(other))
    other.dispose()


def test_rows_that_somebody_else_stored_are_read(database: Database) -> None:
    one, *others = history(3, hours=12)
    store = Maintained(database, keeps=True)
    store.store(others)
    Samples(database).store([replace(one, timestamp=one.timestamp + MINUTE)], received_at=NOW)

    with reads() as read:
        store.seal()

    assert read
    assert len(Samples(database).find(SampleQuery(EVERYTHING), 10_000)) == len(others) + 1


def test_what_came_before_this_process_is_read(database: Database) -> None:
    samples = history(4, hours=12)
    Maintained(database).store(samples[: len(samples) // 2])
    store = Maintained(database, keeps=True)
    store.store(samples[len(samples) // 2 :])

    store.seal()

    assert len(Samples(database).find(SampleQuery(EVERYTHING), 10_000)) == len(samples)


def test_what_is_delivered_again_is_not_doubled(database: Database) -> None:
    samples = history(5, hours=12)
    store = Maintained(database, keeps=True)
    half = len(samples) // 2
    for some in (samples[:half], samples[:half], samples[half - 100 :], samples):
        store.store(some)

    store.seal()

    assert len(Samples(database).find(SampleQuery(EVERYTHING), 10_000)) == len(samples)


def test_more_than_there_is_room_for_is_read(database: Database) -> None:
    samples = history(6, hours=12)
    kept_rows = KeptRows(5_000)
    store = Samples(database, kept_rows)
    for start in range(0, len(samples), 100):
        store.store(samples[start : start + 100], received_at=NOW)
    sealer = Sealer(database, grace=timedelta(minutes=10), kept_rows=kept_rows)
    sealer.close(NOW)

    with reads() as read:
        while sealer.step():
            pass

    assert read
    assert len(Samples(database).find(SampleQuery(EVERYTHING), 10_000)) == len(samples)


def test_small_transactions_count_for_what_their_arrays_take(database: Database) -> None:
    samples = history(7, hours=12)[:40]
    kept_rows = KeptRows(30_000)  # bytes: the rows alone would take a tenth
    store = Samples(database, kept_rows)
    for one in samples:
        store.store([one], received_at=NOW)
    sealer = Sealer(database, grace=timedelta(minutes=10), kept_rows=kept_rows)
    sealer.close(NOW)

    with reads() as read:
        while sealer.step():
            pass

    assert read
