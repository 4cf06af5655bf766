"""Batches as columns: into the right table, refused when too old, the first reading first, as samples would be."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, func, select, update

from storage.database import Database
from storage.ingest import distinct
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch, join, pieces
from storage.quarantine import Quarantine
from storage.query import EVERYTHING, SampleQuery, Stored
from storage.sample import Sample, make_id, to_microseconds
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.tables import delta, hot, late
from storage.tables_tiles import watermark
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series

LATER = NOW + timedelta(seconds=1)
DELTA = sample(meter="image.serve", type="delta", unit="B", volume=10, id=make_id("1"))


def rows(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def move(database: Database, name: str, at: datetime) -> None:
    with database.write() as connection:
        connection.execute(update(watermark).where(watermark.c.name == name).values(at=to_microseconds(at)))


def store(database: Database, batch: Sequence[Sample], at: datetime = LATER) -> Stored:
    return Samples(database).store_batch(arrange(batch), received_at=at)


def test_readings_of_closed_hours_go_to_their_own_table(database: Database) -> None:
    move(database, "closed", NOW + 2 * MINUTE)

    stored = store(database, series(5))

    assert stored == Stored(new=5, duplicates=0, conflicts=0)
    assert (rows(database, late), rows(database, hot)) == (2, 3)
    assert store(database, series(5), LATER + MINUTE) == Stored(new=0, duplicates=5, conflicts=0)


def test_a_late_reading_counts_as_new_although_its_hour_had_it_before_it_was_closed(
    database: Database,
) -> None:
    store(database, [CPU])
    move(database, "closed", NOW + MINUTE)

    assert store(database, [CPU], LATER + MINUTE) == Stored(new=1, duplicates=0, conflicts=0)


def test_readings_older_than_the_retention_are_quarantined_with_what_they_said(database: Database) -> None:
    move(database, "raw_from", NOW)
    old = [sample(timestamp=NOW - MINUTE), replace(CPU_UTIL, timestamp=NOW - MINUTE)]
    old_delta = replace(DELTA, timestamp=NOW - 2 * MINUTE)

    stored = store(database, [*old, CPU, old_delta, replace(DELTA, id=make_id("2"))])

    assert stored == Stored(new=2, duplicates=0, conflicts=0)
    assert (rows(database, hot), rows(database, delta)) == (1, 1)
    kept = Quarantine(database).newest(10)
    assert all("older than the retention" in one.reason for one in kept)
    told = [reading for one in kept for reading in json.loads(one.body)["readings"]]
    assert sorted(meter for meter, *_ in told) == ["cpu", "cpu_util", "image.serve"]


def test_a_batch_with_nothing_but_old_readings_is_quarantined_too(database: Database) -> None:
    move(database, "raw_from", NOW)

    assert store(database, [sample(timestamp=NOW - MINUTE)]) == Stored(0, 0, 0)
    assert Quarantine(database).count() == 1


def test_rows_of_many_widths_and_orders_come_back_as_they_were(database: Database) -> None:
    batch = [
        sample(
            resource_id=f"r{number % 7}",
            meter=f"m{(number * 5) % 11}",
            volume=number,
            timestamp=NOW + MINUTE * t,
        )
        for number in range(77)
        for t in range(1 + number % 3)
    ]
    samples = Samples(database)

    assert samples.store_batch(arrange(batch), received_at=LATER).new == len(batch)

    found = {(s.resource_id, s.meter, s.timestamp): s.volume for s in _stored(samples)}
    assert found == {(s.resource_id, s.meter, s.timestamp): s.volume for s in batch}


def test_more_meters_than_a_row_holds_take_several(database: Database) -> None:
    batch = [sample(meter=f"m{number}", volume=number) for number in range(distinct.MAX_METERS_A_ROW + 50)]
    samples = Samples(database)

    assert samples.store_batch(arrange(batch), received_at=LATER).new == len(batch)

    assert rows(database, hot) == 2
    assert {(s.meter, s.volume) for s in _stored(samples)} == {(s.meter, s.volume) for s in batch}


def test_a_batch_that_partly_is_there_adds_only_the_rest(database: Database) -> None:
    samples = Samples(database)
    samples.store(series(30), received_at=LATER)

    stored = samples.store([*series(60), replace(DELTA)], received_at=LATER + MINUTE)
    again = samples.store([*series(61)], received_at=LATER + 2 * MINUTE)

    assert stored == Stored(new=31, duplicates=30, conflicts=0)
    assert again == Stored(new=1, duplicates=60, conflicts=0)
    assert rows(database, hot) == 61


def test_the_first_reading_wins_whatever_it_says_beside_its_number(database: Database) -> None:
    second = replace(CPU, volume=5, metadata={"other": True})
    third = replace(CPU, volume=float(CPU.volume), generation="boot-2")

    stored = store(database, [CPU, second, third])

    assert stored == Stored(new=1, duplicates=2, conflicts=1)
    assert rows(database, hot) == 1


READINGS = st.builds(
    lambda resource, meter, minute, volume, user: sample(
        resource_id=resource,
        meter=meter,
        timestamp=NOW + MINUTE * minute,
        volume=volume,
        user_id=user,
        metadata={},
    ),
    st.sampled_from("ab"),
    st.sampled_from(["m1", "m2", "m3"]),
    st.integers(0, 1),
    st.sampled_from([1, 2, 1.0]),
    st.sampled_from("uv"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(READINGS, max_size=8), min_size=1, max_size=3))
def test_first_readings_are_chosen_in_the_order_they_came(deliveries: list[list[Sample]]) -> None:
    everything = [one for delivery in deliveries for one in delivery]
    first: dict[tuple[object, ...], Sample] = {}
    unlike = 0
    for one in everything:
        known = first.setdefault((one.resource_id, one.meter, one.timestamp), one)
        unlike += known.volume != one.volume
    batch = join([arrange(delivery) for delivery in deliveries])

    once, conflicts = distinct.distinct(batch, _rid(batch))

    assert sorted(map(repr, once.samples())) == sorted(map(repr, first.values()))
    assert conflicts == unlike


@settings(max_examples=100, deadline=None)
@given(st.lists(READINGS, max_size=20), st.integers(1, 5))
def test_pieces_hold_everything_in_order(samples: list[Sample], limit: int) -> None:
    batch = arrange([*samples, DELTA, replace(DELTA, id=make_id("2"))])

    found = [one for piece in pieces(batch, limit) for one in piece.samples()]

    assert found == batch.samples()


@pytest.mark.parametrize("point", ["ingest.numbered", "ingest.before_commit"])
def test_a_writer_killed_while_it_stores_leaves_all_or_nothing(schema_url: str, point: str) -> None:
    program = (
        "import sys\n"
        "from storage.database import Database\n"
        "from storage.settings import DatabaseSettings\n"
        "from storage.samples import Samples\n"
        "from tests.factories import NOW, series\n"
        "Samples(Database(DatabaseSettings(url=sys.argv[1]))).store(series(20), received_at=NOW)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, schema_url],
        env={**os.environ, "NEPHOMETER_FAULT": point},
        check=False,
    )
    database = Database(DatabaseSettings(url=schema_url))

    before = rows(database, hot)
    stored = store(database, series(20))

    assert killed.returncode == -signal.SIGKILL
    assert (before, stored) == (0, Stored(new=20, duplicates=0, conflicts=0))
    database.dispose()


def _rid(batch: SampleBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A number for each resource by name."""
    names = sorted({key.resource_id for key in batch.resources})
    numbers = np.array([names.index(key.resource_id) for key in batch.resources] or [0], np.int64)
    return numbers[batch.polled.resource]


def _stored(samples: Samples) -> list[Sample]:
    return [found.sample for found in samples.find(SampleQuery(EVERYTHING), 10_000)]
