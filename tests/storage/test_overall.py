"""Figures of groups are answered by one statement where that will do, and never otherwise than by the long way."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import update

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.reading.answers import StatisticsTable
from storage.reading.lines import Grain
from storage.reading.overall import Overall
from storage.statistics import Statistics
from storage.tables_tiles import day_roll
from tests.factories import NOW, sample, series
from tests.storage.layers import HOUR, Maintained, history, telling

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
    StatisticsQuery(ALL, 3600, ("resource_id",)),
    StatisticsQuery(replace(ALL, meter="cpu_util"), 3600, ("resource_id",)),
    StatisticsQuery(replace(ALL, meter="odd", end=NOW - 2 * HOUR), 3600, ("resource_id",)),
    StatisticsQuery(
        replace(ALL, meter="memory.usage", scope=Scope("project-1"), start=MIDNIGHT - 30 * HOUR),
        3600,
        ("resource_id",),
    ),
    StatisticsQuery(replace(ALL, end=NOW - 25 * HOUR), 7200, ("resource_id", "project_id")),
    StatisticsQuery(replace(ALL, meter="cpu_util", scope=Scope("project-0")), 3600),
    StatisticsQuery(replace(ALL, start=MIDNIGHT - 30.5 * HOUR), 3600, ("resource_id",)),
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
        table = Overall.table

        def counted(
            overall: Overall, names: Names, query: StatisticsQuery, grain: Grain
        ) -> StatisticsTable | None:
            answer = table(overall, names, query, grain)
            self.short += answer is not None
            return answer

        with patch.object(Overall, "table", counted):
            yield


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_the_long_way_whatever_happens_meanwhile(database: Database, seed: int) -> None:
    chance, store, watched = random.Random(seed), Maintained(database), Watched(database)
    for _ in telling(chance, store, history(seed)):
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


def test_resources_that_come_and_go_are_answered_by_the_hour(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    spans = {"d": (0, 90), "a": (30, 90), "c": (0, 40), "b": (85, 90), "e": (10, 60)}
    polls = [
        replace(one, project_id=f"of-{name in 'ab'}")
        for name, (first, last) in spans.items()
        for one in series(90 * 6, resource_id=name, step=timedelta(minutes=10))[first * 6 : last * 6]
    ]
    store.store([one for one in polls if one.timestamp.hour != 5])
    store.seal(timedelta(hours=86))
    store.compact()
    start = NOW - 6 * HOUR
    for samples in (replace(ALL, start=start), replace(ALL, start=start, project_id="of-True")):
        query = StatisticsQuery(samples, 3600, ("resource_id",))
        watched.asked(query)

        found = watched.asked(query)

        names = [(row.period_start, row.groups["resource_id"]) for row in found]
        assert names == sorted(set(names))
        assert len(found) > (100 if samples.project_id is None else 10)
    assert watched.short == 2 * watched.packs


def test_a_resource_of_two_projects_is_one_by_the_hour(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store([sample(resource_id="a", project_id=name, volume=5) for name in ("one", "two")])
    query = StatisticsQuery(ALL, 3600, ("resource_id",))
    watched.asked(query)

    (row,) = watched.asked(query)

    assert watched.short == watched.packs
    assert (row.count, row.total) == (2, 10)


def test_sums_of_floats_near_the_end_of_the_scale_are_counted(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    huge = sample(meter="cpu_util", type="gauge", unit="%", generation=None, volume=1.5e308)
    store.store([huge, replace(huge, timestamp=NOW + timedelta(minutes=1)), replace(huge, resource_id="b")])
    query = StatisticsQuery(replace(ALL, meter="cpu_util"), 3600, ("resource_id",))
    watched.asked(query)

    assert [row.mean for row in watched.asked(query)] == [1.5e308, 1.5e308]


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
