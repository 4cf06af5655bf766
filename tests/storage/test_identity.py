"""A reading counts once, however often, with whatever company and by whomever it is delivered."""

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Stored
from storage.sample import Sample, make_id
from storage.samples import Samples
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series

LATER = NOW + timedelta(seconds=1)
MUCH_LATER = NOW + timedelta(days=40)
ALL = SampleQuery(EVERYTHING)


def kept(samples: Samples, query: SampleQuery = ALL, limit: int = 10_000) -> list[Sample]:
    return [found.sample for found in samples.find(query, limit)]


def test_the_same_batch_again_changes_nothing_however_late(database: Database) -> None:
    samples = Samples(database)
    batch = [*series(5), CPU_UTIL]
    samples.store(batch, received_at=LATER)

    again = Samples(database).store(batch, received_at=MUCH_LATER)

    assert again == Stored(new=0, duplicates=6, conflicts=0)
    assert len(kept(samples)) == 6


def test_the_first_reading_wins_and_a_conflicting_second_is_counted(database: Database) -> None:
    samples = Samples(database)
    samples.store([CPU], received_at=LATER)

    second = samples.store([sample(volume=5)], received_at=MUCH_LATER)

    assert second == Stored(new=0, duplicates=1, conflicts=1)
    assert [found.volume for found in kept(samples)] == [CPU.volume]


def test_a_reading_twice_in_one_batch_counts_once(database: Database) -> None:
    samples = Samples(database)

    stored = samples.store([CPU, CPU, sample(volume=5)], received_at=LATER)

    assert stored == Stored(new=1, duplicates=2, conflicts=1)
    assert kept(samples) == [CPU]


def test_a_reading_delivered_again_in_other_company_counts_once(database: Database) -> None:
    samples = Samples(database)
    memory = sample(meter="memory.usage", type="gauge", unit="MiB", volume=512.0)
    samples.store([CPU], received_at=LATER)

    samples.store([CPU, memory], received_at=MUCH_LATER)

    assert sorted(found.meter for found in kept(samples)) == ["cpu", "memory.usage"]


def test_delta_samples_of_one_instant_are_told_apart_by_their_id(database: Database) -> None:
    samples = Samples(database)
    first = sample(meter="image.download", type="delta", unit="B", volume=10, id=make_id("m1", "0"))
    second = sample(meter="image.download", type="delta", unit="B", volume=10, id=make_id("m2", "0"))

    samples.store([first, second, first], received_at=LATER)
    again = samples.store([second], received_at=MUCH_LATER)

    assert again == Stored(new=0, duplicates=1, conflicts=0)
    assert {found.id for found in kept(samples)} == {first.id, second.id}


@pytest.mark.parametrize(
    "changes",
    [{"timestamp": NOW + MINUTE}, {"project_id": "project-b"}, {"volume": 11}, {"meter": "image.serve"}],
)
def test_an_id_counts_once_whatever_else_the_second_delta_sample_says(
    database: Database,
    changes: dict[str, Any],  # Any: fields of a sample
) -> None:
    samples = Samples(database)
    first = sample(meter="image.download", type="delta", unit="B", volume=10, id=make_id("m1", "0"))
    second = replace(first, **changes)
    samples.store([first], received_at=LATER)

    again = samples.store([second], received_at=MUCH_LATER)
    together = Samples(database).store(
        [replace(second, id=make_id("m2")), second, first], received_at=MUCH_LATER
    )

    assert again == Stored(new=0, duplicates=1, conflicts=1)
    assert (together.new, together.duplicates) == (1, 2)
    assert {one.id for one in kept(samples)} == {first.id, make_id("m2")}


def test_two_writers_of_the_same_batch_store_it_once(database: Database) -> None:
    batches = [
        [sample(resource_id=f"r{r}", volume=r, timestamp=NOW + MINUTE * t) for r in range(150)]
        for t in range(4)
    ]
    results: list[Stored] = []

    def write() -> None:
        samples = Samples(database)
        results.extend(samples.store(batch, received_at=LATER + MINUTE * len(results)) for batch in batches)

    writers = [Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert len(results) == 8
    assert sum(result.conflicts for result in results) == 0
    assert len(kept(Samples(database))) == 600
