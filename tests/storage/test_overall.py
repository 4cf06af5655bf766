"""Figures of groups are answered by one statement where that will do, and never otherwise than by the long way."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import update

from storage.columns import Columns, Figures, Wanted
from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.reading.overall import Overall
from storage.statistics import Statistics
from storage.tables_tiles import day_roll
from tests.factories import NOW, sample, series
from tests.storage.layers import HOUR, Maintained, batches, history

MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
ALL = SampleQuery(EVERYTHING, meter="cpu", start=MIDNIGHT - 48 * HOUR)
QUERIES = (
    StatisticsQuery(ALL, None, ("project_id",)),
    StatisticsQuery(replace(ALL, meter="odd"), 86400, ("project_id",)),
    StatisticsQuery(replace(ALL, meter="cpu_util", start=MIDNIGHT - 24 * HOUR), None, ("project_id",)),
    StatisticsQuery(replace(ALL, meter="memory.usage", end=MIDNIGHT), None, ("project_id",)),
    StatisticsQuery(replace(ALL, meter="odd", scope=Scope("project-1")), None),
    StatisticsQuery(replace(ALL, end=NOW - 2.5 * HOUR), 172800),
    StatisticsQuery(replace(ALL, start=MIDNIGHT - 47 * HOUR), None, ("project_id",)),
    StatisticsQuery(replace(ALL, meter="image.download"), None, ("project_id",)),
)


class Watched:
    """A store that was asked before; `short` counts the answers of one statement."""

    def __init__(self, database: Database) -> None:
        self._database, self._statistics, self.short = database, Statistics(database), 0
        self.packs = database.engine.dialect.name == "postgresql"

    def asked(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """The answer, which is that of a store that has nothing to remember."""
        with self._counted():
            found = self._statistics.compute(query)
        assert found == Statistics(self._database).compute(query)
        return found

    @contextmanager
    def _counted(self) -> Iterator[None]:
        figures = Overall.figures

        def counted(
            overall: Overall, names: Names, query: SampleQuery, wanted: Wanted
        ) -> list[Columns | Figures] | None:
            answer = figures(overall, names, query, wanted)
            self.short += answer is not None
            return answer

        with patch.object(Overall, "figures", counted):
            yield


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_the_long_way_whatever_happens_meanwhile(database: Database, seed: int) -> None:
    chance, store, watched = random.Random(seed), Maintained(database), Watched(database)
    for batch in batches(chance, history(seed)):
        store.store(batch)
        for work in chance.choices(("nothing", "seal", "reseal", "compact"), k=2):
            if work == "seal":
                store.seal(timedelta(hours=-chance.randrange(60)))
            elif work != "nothing":
                getattr(store, work)()
            for query in (chance.choice(QUERIES), *chance.choices(QUERIES[:5], k=2)):
                watched.asked(query)
    store.reseal()
    for query in (*QUERIES, *QUERIES):
        watched.asked(query)
    store.seal()
    store.compact()
    for query in (*QUERIES, *QUERIES):
        watched.asked(query)

    assert watched.short > 5 if watched.packs else watched.short == 0


def test_groups_are_answered_from_every_layer(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store(
        [
            replace(one, project_id=f"of-{name}")
            for name in "ab"
            for one in series(60 * 60, resource_id=name, step=timedelta(minutes=1))
        ]
    )
    store.seal(timedelta(hours=-2))
    store.compact()
    query = StatisticsQuery(replace(ALL, start=MIDNIGHT - 96 * HOUR), None, ("project_id",))
    watched.asked(query)

    found = watched.asked(query)

    assert watched.short == watched.packs
    assert [(row.groups["project_id"], row.count) for row in found] == [("of-a", 3600), ("of-b", 3600)]


def test_the_first_of_two_readings_of_different_shapes_counts(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    first = sample(resource_id="a", volume=5)
    store.store([replace(first, meter="memory", type="gauge"), replace(first, timestamp=NOW - HOUR)])
    store.store([first])
    store.store([replace(first, volume=7), replace(first, meter="disk", type="gauge")])
    query = StatisticsQuery(ALL, None, ("project_id",))
    watched.asked(query)

    (row,) = watched.asked(query)

    assert watched.short == watched.packs
    assert (row.count, row.maximum) == (2, 5)


def test_nobody_need_know_a_resource_that_was_silent_when_its_project_was_asked_for(
    database: Database,
) -> None:
    store, watched = Maintained(database), Watched(database)
    silent, loud = sample(resource_id="a"), sample(resource_id="b")
    before = [replace(one, timestamp=NOW - 5 * HOUR) for one in (silent, loud)]
    store.store([*before, replace(before[0], meter="disk", type="gauge")])
    store.seal(timedelta(hours=-2))
    store.store([loud])
    query = StatisticsQuery(ALL, None, ("project_id",))
    watched.asked(query)
    store.store([silent, replace(silent, meter="disk", type="gauge")])

    (row,) = watched.asked(query)

    assert watched.short == watched.packs
    assert row.count == 4


def test_nobody_sees_the_groups_of_another_project(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store([sample(resource_id="a", project_id=name) for name in ("one", "two")])
    for project, count in (("one", 1), ("two", 1), ("three", 0), ("one", 1), ("two", 1)):
        query = StatisticsQuery(replace(ALL, scope=Scope(project)), None, ("project_id",))

        found = watched.asked(query)

        assert [row.groups["project_id"] for row in found] == [project] * count
    other = replace(ALL, scope=Scope("one"), project_id="two")
    assert watched.asked(StatisticsQuery(other, None, ("project_id",))) == []
    assert watched.short > 0 or not watched.packs


def test_a_damaged_sum_is_named_by_the_long_way(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store(series(90, resource_id="a", step=timedelta(minutes=60)))
    store.seal(timedelta(hours=96))
    store.compact()
    query = StatisticsQuery(replace(ALL, start=MIDNIGHT - 120 * HOUR), None, ("project_id",))
    watched.asked(query)
    with database.write() as connection:
        connection.execute(update(day_roll).where(day_roll.c.mid > 0).values(tot=bytes(64)))

    with pytest.raises(Exception, match="day_roll of group 1"):
        watched.asked(query)
