"""Hours sealed together are one tile; whoever asks for some of them, or cuts them, need not know."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery
from storage.sample import to_microseconds
from storage.samples import Samples
from storage.series import Series
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from storage.tables import resource
from storage.tables_tiles import STAMPS, tile
from storage.tiles.seal import Sealer
from storage.watermarks import BLOCK
from storage.watermarks import HOUR as HOUR_US
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import HOUR, Maintained, history
from tests.storage.test_layers import figures_told, samples_told

SAMPLES = history(5, hours=14, every_s=600)
CUTS = [(begin, end) for begin in range(0, 14, 2) for end in range(begin + 1, 15, 3)]


def begins(database: Database) -> set[int]:
    with database.read() as connection:
        return set(connection.execute(select(tile.c.start).where(tile.c.mid == STAMPS)).scalars())


def sealed(database: Database, *, together: bool) -> Maintained:
    store = Maintained(database)
    if not together:
        store.sealer = Sealer(database, grace=timedelta(minutes=10), waits_for=1)
    for start in range(0, len(SAMPLES), 500):
        store.store(SAMPLES[start : start + 500])
    store.seal()
    return store


class Asked:
    """A store that answers the same questions, twice each: the second time by the short ways."""

    def __init__(self, database: Database) -> None:
        self._statistics, self._samples, self._series = (
            Statistics(database),
            Samples(database),
            Series(database),
        )

    def answers(self) -> Iterator[object]:
        first = NOW - 14 * HOUR
        for begin, end in CUTS:
            for minutes in (0, 25):
                start = first + timedelta(hours=begin, minutes=minutes)
                some = SampleQuery(EVERYTHING, meter="cpu", start=start, end=start + (end - begin) * HOUR)
                one = replace(some, resource_id="instance-4", meter="memory.usage")
                for query in (
                    StatisticsQuery(one, 3600),
                    StatisticsQuery(replace(some, meter="cpu_util"), 3600, ("resource_id",)),
                    StatisticsQuery(replace(some, meter="odd"), 3600, ("project_id",)),
                    StatisticsQuery(some, 7200),
                    StatisticsQuery(some, groupby=("project_id",)),
                ):
                    yield figures_told(self._statistics.compute(query))
                    yield figures_told(self._statistics.compute(query))
                yield samples_told(self._samples.find(one, 5))
                yield samples_told(self._series.latest(replace(some, scope=Scope("project-1")), 100))


def test_hours_sealed_together_answer_as_those_sealed_one_by_one(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sealed(database, together=True)
    hourly = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path_factory.mktemp("hourly"))))
    sealed(hourly, together=False)
    assert len(begins(hourly)) == 13
    assert len(begins(database)) < 7

    asked = zip(Asked(database).answers(), Asked(hourly).answers(), strict=True)
    for number, (answer, expected) in enumerate(asked):
        assert answer == expected, number
    hourly.dispose()


def test_no_tile_goes_beyond_a_block_and_what_is_late_joins_its_tile(database: Database) -> None:
    store = sealed(database, together=True)
    starts = sorted(begins(database))
    for start, after in pairwise(starts):
        assert after - start >= HOUR_US
        assert start // BLOCK == after // BLOCK or after % BLOCK == 0
    one = min(SAMPLES, key=lambda sample: sample.timestamp)
    late = [
        replace(one, timestamp=one.timestamp + timedelta(hours=hours, seconds=7)) for hours in range(0, 13, 3)
    ]
    store.store(late)

    assert store.reseal() > 0

    there = {one.sample.timestamp for one in Samples(database).find(SampleQuery(EVERYTHING), 10_000)}
    assert {one.timestamp for one in late} <= there
    with database.read() as connection:
        of_one = select(resource.c.gid).where(resource.c.id == one.resource_id)
        own = select(tile.c.start).where(tile.c.mid == STAMPS, tile.c.gid.in_(of_one))
        blocks = [start // BLOCK for start in connection.execute(own).scalars()]
    merged = {to_microseconds(sample.timestamp) // BLOCK for sample in late}
    assert len(merged) > 2
    assert [blocks.count(block) for block in merged] == [1] * len(merged)
