"""Figures of a resource are answered by one statement where that will do, and never otherwise than by the long way."""

import asyncio
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
from storage.reading.answers import StatisticsTable
from storage.reading.brief import Brief
from storage.reading.hours import Hours
from storage.statistics import Statistics
from storage.tables_tiles import day_roll
from tests.factories import NOW, sample, series
from tests.storage.layers import HOUR, Maintained, history, telling

MIDNIGHT = NOW - timedelta(
    hours=NOW.hour, minutes=NOW.minute, seconds=NOW.second, microseconds=NOW.microsecond
)
OF_ONE = SampleQuery(EVERYTHING, meter="cpu", resource_id="instance-2", start=MIDNIGHT - 48 * HOUR)
QUERIES = (
    StatisticsQuery(OF_ONE, 3600, ("resource_id",)),
    StatisticsQuery(replace(OF_ONE, resource_id="instance-3", end=NOW), 7200, ("project_id",)),
    StatisticsQuery(replace(OF_ONE, meter="odd", end=MIDNIGHT - 3 * HOUR), 3600),
    StatisticsQuery(replace(OF_ONE, meter="cpu_util", start=MIDNIGHT - 30 * HOUR), 86400),
    StatisticsQuery(replace(OF_ONE, meter="memory.usage", scope=Scope("project-0")), None, ("project_id",)),
    StatisticsQuery(replace(OF_ONE, scope=Scope("project-1")), 3600),
    StatisticsQuery(replace(OF_ONE, start=MIDNIGHT - 47.5 * HOUR, end=NOW - 2.5 * HOUR), 3600),
    StatisticsQuery(replace(OF_ONE, meter="image.download"), 3600),
    StatisticsQuery(replace(OF_ONE, resource_id="instance-0"), 3600, ("project_id",)),
)


class Watched:
    """A store that was asked before.

    `brief` counts the answers of one statement, `hourly` those by the hour, `soon` those without a thread.
    """

    def __init__(self, database: Database) -> None:
        self._database, self._statistics, self.brief = database, Statistics(database), 0
        self.hourly = self.soon = 0

    def asked(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """The answer, which is that of a store that has nothing to remember."""
        with self._counted():
            found = self._statistics.compute(query)
        assert found == Statistics(self._database).compute(query)
        soon = asyncio.run(self._statistics.soon(query))
        if soon is not None:
            self.soon += 1
            table = soon.table() if isinstance(soon, Hours) else soon
            assert list(table.rows()) == found
        return found

    @contextmanager
    def _counted(self) -> Iterator[None]:
        figures = Brief.figures

        def counted(
            brief: Brief, names: Names, query: SampleQuery, wanted: Wanted
        ) -> list[Columns | Figures] | None:
            answer = figures(brief, names, query, wanted)
            self.brief += answer is not None
            return answer

        by_hour = Brief.by_hour

        def counted_hours(
            brief: Brief, names: Names, query: StatisticsQuery
        ) -> Hours | StatisticsTable | None:
            answer = by_hour(brief, names, query)
            self.brief += answer is not None
            self.hourly += answer is not None
            return answer

        with patch.object(Brief, "figures", counted), patch.object(Brief, "by_hour", counted_hours):
            yield


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_the_long_way_whatever_happens_meanwhile(database: Database, seed: int) -> None:
    chance, store, watched = random.Random(seed), Maintained(database), Watched(database)
    for _ in telling(chance, store, history(seed)):
        for query in (chance.choice(QUERIES), *chance.choices(QUERIES[:3], k=2)):
            watched.asked(query)
    store.seal()
    store.reseal()
    store.compact()
    for query in (*QUERIES, *QUERIES):
        watched.asked(query)

    assert watched.brief > 5


@pytest.mark.parametrize("seed", range(3))
def test_hours_are_those_of_the_long_way_whichever_layer_has_them(database: Database, seed: int) -> None:
    chance, store, watched = random.Random(seed), Maintained(database), Watched(database)
    samples, begin = sorted(history(seed), key=lambda one: one.timestamp), NOW - 60 * HOUR
    for cut in (begin + 30 * HOUR, begin + 47 * HOUR, NOW + HOUR):
        store.store([one for one in samples if begin <= one.timestamp < cut])
        store.seal(cut - NOW - chance.randrange(2, 9) * HOUR)
        if chance.random() < 0.7:
            store.compact()
        begin = cut
        watched.asked(QUERIES[0])
        for meter in ("cpu", "cpu_util", "memory.usage", "odd"):
            of_one = replace(OF_ONE, meter=meter, resource_id=f"instance-{chance.randrange(1, 6)}")
            later = MIDNIGHT - chance.randrange(40) * HOUR
            within_a_day = replace(of_one, start=later, end=later + 20 * HOUR)
            for query in (of_one, replace(of_one, end=later), within_a_day):
                for _ in range(2):  # the first question may learn where its records are
                    watched.asked(StatisticsQuery(query, 3600, chance.choice(((), ("resource_id",)))))

    assert watched.hourly > 20
    assert watched.soon or database.engine.dialect.name != "postgresql"


def test_a_resource_is_answered_from_every_layer_without_being_asked_for_before(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store(
        [one for name in "ab" for one in series(30 * 60, resource_id=name, step=timedelta(minutes=1))]
    )
    store.seal(timedelta(hours=28))
    store.compact()
    of = SampleQuery(EVERYTHING, meter="cpu", start=NOW.replace(minute=0, second=0, microsecond=0))
    watched.asked(StatisticsQuery(replace(of, resource_id="a"), 3600, ("resource_id",)))

    found = watched.asked(StatisticsQuery(replace(of, resource_id="b"), 3600, ("resource_id",)))

    assert watched.brief == watched.hourly == 1
    assert sum(row.count for row in found) == 30 * 60
    assert {row.groups["resource_id"] for row in found} == {"b"}


def test_a_resource_is_told_by_one_statement_though_it_is_younger_than_the_question(
    database: Database,
) -> None:
    store, watched = Maintained(database), Watched(database)
    begin = NOW.replace(minute=0, second=0, microsecond=0) - 60 * HOUR
    for number, name in enumerate("abc"):
        hours = range(10 * number, 60 - 5 * number)
        moments = [
            begin + hour * HOUR + minute * HOUR / 60 for hour in hours for minute in (0, 1, 2)[number:]
        ]
        store.store([replace(sample(resource_id=name), timestamp=moment) for moment in moments])
    store.seal(timedelta(hours=3))
    store.compact()
    of = SampleQuery(EVERYTHING, meter="cpu", start=begin)
    watched.asked(StatisticsQuery(replace(of, resource_id="a"), 3600))

    counts = [
        sum(row.count for row in watched.asked(StatisticsQuery(replace(of, resource_id=name), 3600)))
        for name in "abc"
    ]

    assert counts == [180, 90, 30]
    assert watched.hourly == 3


def test_nobody_sees_a_resource_of_another_project(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store([sample(resource_id="a", project_id="one"), sample(resource_id="a", project_id="two")])
    start = NOW.replace(minute=0, second=0, microsecond=0)
    for project, count in (("one", 1), ("two", 1), ("three", 0), ("one", 1)):
        query = SampleQuery(Scope(project), meter="cpu", resource_id="a", start=start)

        found = watched.asked(StatisticsQuery(query, 3600, ("project_id",)))

        assert [row.groups["project_id"] for row in found] == [project] * count
    everything = SampleQuery(EVERYTHING, meter="cpu", resource_id="a", start=start)
    assert watched.asked(StatisticsQuery(everything))[0].count == 2
    assert watched.asked(StatisticsQuery(replace(everything, scope=Scope("one"), project_id="two"))) == []


def test_a_name_is_told_of_all_projects_once_another_one_has_it_too(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    start = NOW.replace(minute=0, second=0, microsecond=0) - 2 * HOUR
    readings = [
        replace(sample(resource_id=name), timestamp=start + minutes * HOUR / 60)
        for name in ("shared", "own")
        for minutes in range(3)
    ]
    store.store(readings)
    everywhere = SampleQuery(EVERYTHING, meter=readings[0].meter, resource_id="shared", start=start)
    asked = StatisticsQuery(everywhere, 3600, ("resource_id",))
    mine = replace(everywhere, scope=Scope(str(readings[0].project_id)))
    for name in ("own", "shared"):  # of which the first tells where the other is
        for _ in range(2):
            watched.asked(replace(asked, samples=replace(everywhere, resource_id=name)))
    answered = watched.hourly

    store.store([replace(one, project_id="another") for one in readings[:2]])

    assert answered == 3
    assert sum(row.count for row in watched.asked(asked)) == 5
    assert [row.count for row in watched.asked(StatisticsQuery(mine, 3600))] == [3]
    assert [row.groups for row in watched.asked(replace(asked, samples=mine))] == [{"resource_id": "shared"}]


def test_a_damaged_day_is_named_by_the_long_way(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store(series(40, resource_id="a", step=timedelta(minutes=60)))
    store.seal(timedelta(hours=48))
    store.compact()
    start = NOW.replace(minute=0, second=0, microsecond=0)
    query = StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu", resource_id="a", start=start), 3600)
    watched.asked(query)
    with database.write() as connection:
        connection.execute(update(day_roll).where(day_roll.c.mid > 0).values(head=b"damaged"))

    with pytest.raises(Exception, match="day_roll of group 1"):
        watched.asked(query)


def test_a_meter_nobody_read_a_figure_of_is_learned_by_the_long_way(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    store.store([sample(resource_id="a")])
    elsewhere = replace(
        OF_ONE, resource_id="a", start=NOW.replace(minute=0, second=0, microsecond=0) - 9 * HOUR
    )
    nothing = replace(elsewhere, end=elsewhere.start and elsewhere.start + HOUR)

    assert watched.asked(StatisticsQuery(nothing, 3600, ("user_id",))) == []
    assert watched.asked(StatisticsQuery(nothing, 3600)) == []
    assert len(watched.asked(StatisticsQuery(elsewhere, 3600))) == 1


def test_records_that_stand_in_several_places_are_asked_for_in_vain_once(database: Database) -> None:
    store, watched = Maintained(database), Watched(database)
    begin = NOW.replace(minute=0, second=0, microsecond=0) - 40 * HOUR
    for number, (name, hours) in enumerate((("a", range(30)), ("b", range(10, 40)), ("c", range(40)))):
        store.store(
            [
                replace(sample(resource_id=name, volume=float(number)), timestamp=begin + hour * HOUR)
                for hour in hours
            ]
        )
    store.seal()
    store.compact()
    of = SampleQuery(EVERYTHING, meter="cpu", start=begin)
    watched.asked(StatisticsQuery(replace(of, resource_id="a"), 3600))

    counts = [
        sum(row.count for row in watched.asked(StatisticsQuery(replace(of, resource_id="c"), 3600)))
        for _ in range(3)
    ]

    assert counts == [40, 40, 40]
    assert watched.hourly == 2
