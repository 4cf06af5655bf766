"""What one poll read of a resource is one row, and nobody notices."""

import random
from dataclasses import replace
from operator import attrgetter

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.tables import hot, version
from tests.factories import MINUTE, NOW, sample

GAUGE = sample(meter="memory.usage", type="gauge", unit="MB", volume=7, generation=None)


def polls(seed: int) -> list[Sample]:
    """Readings of some resources: counters of one generation or another, gauges without or with one."""
    chance = random.Random(seed)
    found: list[Sample] = []
    for number in range(60):
        common = sample(
            resource_id=f"instance-{number % 5}",
            timestamp=NOW + number * MINUTE,
            generation=chance.choice(["one", "two"]),
            metadata={"flavor": chance.choice(["small", "large"])},
        )
        gauge = replace(GAUGE, resource_id=common.resource_id, timestamp=common.timestamp)
        others = [
            replace(
                common, meter="disk.read.bytes", unit="B", generation=chance.choice(["one", "two", None])
            ),
            replace(gauge, metadata=chance.choice([common.metadata, {}])),
            replace(gauge, meter="vcpus", generation=chance.choice([None, None, "one"])),
        ]
        found += [common, *others]
    chance.shuffle(found)
    return found


def rows(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(hot)).scalar_one()


def test_gauges_and_counters_of_one_poll_are_one_row_and_one_version(database: Database) -> None:
    cpu = sample()
    gauge = replace(GAUGE, resource_id=cpu.resource_id, metadata=cpu.metadata)

    stored = Samples(database).store([gauge, cpu], received_at=NOW)

    assert (stored.new, rows(database)) == (2, 1)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(version)).scalar_one() == 1
    found = Samples(database).find(SampleQuery(EVERYTHING), 9)
    assert {one.sample.meter: one.sample.generation for one in found} == {
        "cpu": "boot-1",
        "memory.usage": None,
    }


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_comes_back_as_it_was(database: Database, seed: int) -> None:
    samples = polls(seed)
    store = Samples(database)

    stored = store.store(samples, received_at=NOW)
    again = store.store(samples, received_at=NOW + MINUTE)

    key = attrgetter("timestamp", "resource_id", "meter")
    found = [one.sample for one in store.find(SampleQuery(EVERYTHING), 1000)]
    assert sorted(found, key=key) == sorted(samples, key=key)
    assert (stored.new, again.new, again.duplicates) == (240, 0, 240)
    assert rows(database) < 240
