"""Whichever layer readings are in, and however they came there, the answers are the same."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import Database
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.resources import Resources
from storage.sample import StoredSample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from tests.databases import sqlite_with_schema
from tests.factories import NOW, sample
from tests.storage.layers import HOUR, Maintained, batches, history, told

M1 = MetadataMatch("instance_type", "m1", "m1")
SAMPLES = (
    SampleQuery(EVERYTHING),
    SampleQuery(Scope("project-1"), meter="cpu"),
    SampleQuery(EVERYTHING, meter="odd", start=NOW - 40 * HOUR, end=NOW - 3 * HOUR),
    SampleQuery(EVERYTHING, resource_id="instance-3", metadata=(M1,)),
    SampleQuery(EVERYTHING, resource_id="instance-2", start=NOW - 31.5 * HOUR, end=NOW - 29 * HOUR),
    SampleQuery(EVERYTHING, meter="image.download"),
)
MIDNIGHT = NOW - timedelta(
    hours=NOW.hour, minutes=NOW.minute, seconds=NOW.second, microseconds=NOW.microsecond
)
CPU = SampleQuery(EVERYTHING, meter="cpu")
STATISTICS = (
    StatisticsQuery(CPU),
    StatisticsQuery(CPU, groupby=("project_id",)),
    StatisticsQuery(CPU, 3600, ("resource_id",)),
    StatisticsQuery(replace(CPU, start=MIDNIGHT - 24 * HOUR), 3600, ("resource_id",)),
    StatisticsQuery(replace(CPU, start=MIDNIGHT - 48 * HOUR), 86400, ("project_id",)),
    StatisticsQuery(
        replace(CPU, start=MIDNIGHT - 47.25 * HOUR, end=NOW - 2.5 * HOUR), groupby=("project_id",)
    ),
    StatisticsQuery(replace(CPU, start=MIDNIGHT - 30 * HOUR, end=MIDNIGHT - 3 * HOUR), 7200),
    StatisticsQuery(replace(CPU, resource_id="instance-4", start=MIDNIGHT - 48 * HOUR), 3600),
    StatisticsQuery(replace(CPU, scope=Scope("project-0")), 900, ("resource_id",), ("user_id",)),
    StatisticsQuery(replace(CPU, metadata=(M1,)), groupby=("resource_metadata.instance_type", "source")),
    StatisticsQuery(
        replace(CPU, meter="memory.usage"), groupby=("project_id",), cardinality=("resource_id",)
    ),
    StatisticsQuery(replace(CPU, meter="memory.usage"), 3600, ("user_id",)),
    StatisticsQuery(replace(CPU, meter="odd", start=MIDNIGHT - 48 * HOUR), 3600, ("resource_id",)),
    StatisticsQuery(replace(CPU, meter="cpu_util"), groupby=("project_id",)),
    StatisticsQuery(replace(CPU, meter="image.download"), groupby=("resource_id",)),
)


def samples_told(found: list[StoredSample]) -> list[object]:
    """What samples say, without the time of arrival, which nobody knows of sealed ones."""
    return [(one.message_id, one.sample) for one in found]


def figures_told(rows: list[StatisticsRow]) -> list[object]:
    """Rows with their floats to twelve digits: sums of floats may be rounded twice on their way."""
    return [
        {
            name: float(f"{value:.12g}") if isinstance(value, float) and math.isfinite(value) else value
            for name, value in ((name, getattr(row, name)) for name in StatisticsRow.__slots__)
        }
        for row in rows
    ]


def answers(database: Database) -> list[tuple[object, object]]:
    samples, resources, statistics = Samples(database), Resources(database), Statistics(database)
    return [
        *[(query, samples_told(samples.find(query, limit))) for query in SAMPLES for limit in (7, 100_000)],
        *[(query, figures_told(statistics.compute(query))) for query in STATISTICS],
        *[(query, resources.resources(query, 100)) for query in SAMPLES],
        *[(query, resources.meters(query, 100)) for query in SAMPLES],
    ]


def assert_alike(found: list[tuple[object, object]], expected: list[tuple[object, object]]) -> None:
    for (query, one), (_, other) in zip(found, expected, strict=True):
        assert one == other, query


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Database]:
    """A store that is never maintained."""
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    yield database
    database.dispose()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Database]:
    """An SQLite store: many histories cost little there."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    database = Database(DatabaseSettings(url=sqlite_with_schema(folder)))
    yield database
    database.dispose()


def test_answers_do_not_depend_on_the_layer(database: Database, untouched: Database) -> None:
    assert_the_same_in_every_layer(database, untouched, 0)


@pytest.mark.parametrize("seed", range(1, 4))
def test_answers_do_not_depend_on_how_layers_came_to_be(
    embedded: Database, untouched: Database, seed: int
) -> None:
    assert_the_same_in_every_layer(embedded, untouched, seed)


def assert_the_same_in_every_layer(database: Database, untouched: Database, seed: int) -> None:
    samples = history(seed)
    plain = Maintained(untouched)

    store = told(database, random.Random(seed), samples, keeps=seed % 2 == 0)
    for batch in batches(random.Random(seed), samples):
        plain.store(batch)

    expected = answers(untouched)
    assert_alike(answers(database), expected)
    store.seal()
    assert_alike(answers(database), expected)
    store.reseal()
    assert_alike(answers(database), expected)
    store.compact()
    assert_alike(answers(database), expected)


def test_the_first_of_readings_in_rows_of_several_shapes_is_sealed(database: Database) -> None:
    store = Maintained(database)
    for hour in range(3):  # in the first one no two of them compete
        first = sample(resource_id="a", timestamp=NOW - (5 - hour) * HOUR, volume=5)
        if hour:
            store.store([first, replace(first, meter="memory", type="gauge")])
        store.store([replace(first, volume=7 if hour else 5)])

    assert store.seal() >= 3

    found = Samples(database).find(SampleQuery(EVERYTHING, meter=first.meter), 10)
    assert [one.sample.volume for one in found] == [5, 5, 5]
