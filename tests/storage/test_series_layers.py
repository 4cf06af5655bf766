"""The latest readings, percentiles, rates and deviations do not depend on the layer either."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from storage.database import Database
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.sample import to_microseconds
from storage.series import Series
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from storage.watermarks import move
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import HOUR, Maintained, batches, history, told

CPU = SampleQuery(EVERYTHING, meter="cpu")
LATEST = (
    SampleQuery(EVERYTHING),
    SampleQuery(Scope("project-1"), meter="memory.usage", end=NOW - 5 * HOUR),
    replace(CPU, metadata=(MetadataMatch("instance_type", "m2", "m2"),)),
    SampleQuery(EVERYTHING, meter="odd"),
    SampleQuery(EVERYTHING, meter="image.download"),
)
QUESTIONS = (
    StatisticsQuery(CPU, stddev=True),
    StatisticsQuery(CPU, 3600, ("resource_id",), stddev=True),
    StatisticsQuery(
        replace(CPU, meter="memory.usage", start=NOW - 26 * HOUR), 7200, ("project_id",), stddev=True
    ),
    StatisticsQuery(replace(CPU, meter="cpu_util", user_id="user-1"), 86400, ("user_id",), stddev=True),
    StatisticsQuery(replace(CPU, meter="odd"), 86400, ("resource_metadata.instance_type",), stddev=True),
)


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Database]:
    """A store that is never maintained."""
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    yield database
    database.dispose()


def answers(database: Database) -> list[object]:
    series, statistics = Series(database), Statistics(database)
    return [
        *[
            (one.message_id, one.sample)
            for query in LATEST
            for limit in (3, 1000)
            for one in series.latest(query, limit)
        ],
        *[
            row
            for query in QUESTIONS
            for percent in (0, 37.5, 99.9)
            for row in series.percentile(query, percent)
        ],
        *[row for query in QUESTIONS for row in series.rate(query)],
        *[
            (row.unit, row.groups, row.period_start, digits(row.stddev))
            for query in QUESTIONS
            for row in statistics.compute(query)
        ],
    ]


def digits(deviation: float | None) -> str:
    """What figures and readings have in common."""
    assert deviation is not None
    return "0" if math.isclose(deviation, 0, abs_tol=1e-9) else f"{deviation:.9g}"


def test_answers_from_readings_do_not_depend_on_the_layer(database: Database, untouched: Database) -> None:
    samples = history(11, hours=40, resources=4)
    plain = Maintained(untouched)

    store = told(database, random.Random(11), samples)
    for batch in batches(random.Random(11), samples):
        plain.store(batch)

    expected = answers(untouched)
    assert len(expected) > 500
    assert answers(database) == expected
    store.seal()
    assert answers(database) == expected
    store.reseal()
    store.compact()
    assert answers(database) == expected


@pytest.mark.parametrize("meter", ["cpu", "cpu_util"])
def test_where_readings_are_gone_statistics_come_from_figures(untouched: Database, meter: str) -> None:
    store = Maintained(untouched)
    for batch in batches(random.Random(5), history(5, hours=50, resources=3)):
        store.store(batch)
    store.seal()
    store.compact()
    border = NOW.replace(hour=0)
    spans = [
        (start, end)
        for start in (None, border - 24 * HOUR, border)
        for end in (None, border - 2 * HOUR, border, border + HOUR)
    ]
    statistics = Statistics(untouched)

    def ask(start: datetime | None, end: datetime | None) -> list[StatisticsRow]:
        samples = SampleQuery(EVERYTHING, meter=meter, start=start, end=end, end_closed=True)
        return statistics.compute(StatisticsQuery(samples, groupby=("resource_id",), stddev=True))

    expected = [ask(*span) for span in spans]
    with untouched.write() as connection:
        move(connection, "raw_from", to_microseconds(border))
    found = [ask(*span) for span in spans]

    for (start, _), rows, others in zip(spans, found, expected, strict=True):
        assert [(row.count, row.minimum, row.maximum) for row in rows] == [
            (row.count, row.minimum, row.maximum) for row in others
        ]
        for row, other in zip(rows, others, strict=True):
            assert row.total == pytest.approx(other.total)
            if start == border:
                assert row.stddev == other.stddev
            elif meter == "cpu":  # no spread is kept of counters
                assert row.stddev is None
            else:  # five digits are kept of the spread of real numbers
                assert row.stddev == pytest.approx(other.stddev, rel=1e-5)
