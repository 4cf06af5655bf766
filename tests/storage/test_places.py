"""Where resources are is remembered on PostgreSQL: that helps the questions that come, and harms none."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.errors import DatabaseUnavailable, TookTooLong
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery, StatisticsRow
from storage.reading.answers import StatisticsTable
from storage.reading.hours import Hours
from storage.reading.places import OF_GROUP
from storage.statistics import Statistics
from tests.factories import NOW, series
from tests.storage.layers import HOUR, Maintained

START = NOW.replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def store(postgres: Database) -> Maintained:
    """Three resources of a project and three of another, each with its number as its readings; in all layers."""
    store = Maintained(postgres)
    for number, name in enumerate("abcdef"):
        polls = series(30, resource_id=name, project_id=f"project-{number // 3}", step=HOUR, metadata={})
        store.store([replace(one, type="gauge", generation=None, volume=number) for one in polls])
    store.seal(timedelta(hours=28))
    store.compact()
    return store


def hourly(resource_id: str) -> StatisticsQuery:
    of_it = SampleQuery(EVERYTHING, meter="cpu", resource_id=resource_id, start=START, end=START + 30 * HOUR)
    return StatisticsQuery(of_it, 3600)


def test_an_answer_is_given_though_what_would_help_later_ones_cannot_be_asked(
    postgres: Database, store: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics, failed = Statistics(postgres), 0
    statistics.compute(hourly("a"))
    ask = Database.ask

    def failing(database: Database, statement: str, values: Sequence[int | str | bytes]) -> Sequence[Any]:
        nonlocal failed
        if statement == OF_GROUP.format("%s"):
            failed += 1
            raise DatabaseUnavailable("the server went")
        return ask(database, statement, values)

    monkeypatch.setattr(Database, "ask", failing)

    found = statistics.compute(hourly("b"))

    assert failed == 1
    assert [row.mean for row in found] == [1] * 30


def test_an_event_loop_is_told_though_what_would_help_later_questions_takes_too_long(
    postgres: Database, store: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics, failed = Statistics(postgres), 0
    statistics.compute(hourly("a"))
    asyncio.run(statistics.soon(hourly("a")))  # which no line is free for
    statistics.compute(hourly("a"))
    ask_soon = Database.ask_soon

    async def failing(
        database: Database, statement: str, values: Sequence[int | str | bytes]
    ) -> Sequence[Any] | None:
        nonlocal failed
        if statement == OF_GROUP.format("%s"):
            failed += 1
            raise TookTooLong("the question took too long")
        return await ask_soon(database, statement, values)

    monkeypatch.setattr(Database, "ask_soon", failing)

    found = asyncio.run(statistics.soon(hourly("d")))

    assert failed == 1
    assert found is not None
    assert [row.mean for row in rows_of(found)] == [3] * 30


SWAPPED = (  # as if the other project's resources had come first
    "UPDATE resource SET pid = 13 - pid, id = translate(id, 'abcdef', 'defabc')",
    "UPDATE resource SET pid = pid - 10",
    "UPDATE resource_group SET pid = 3 - pid",
)
OF_ANOTHER_PROJECT = ("UPDATE resource SET pid = 3 - pid", "UPDATE resource_group SET pid = 3 - pid")
GONE = ("DELETE FROM resource WHERE id IN ('a', 'd')",)


@pytest.mark.parametrize("scope", [EVERYTHING, Scope("project-0")])
@pytest.mark.parametrize("changes", [SWAPPED, OF_ANOTHER_PROJECT, GONE])
def test_a_resource_is_not_told_of_another_one_that_has_its_number_since(
    postgres: Database, store: Maintained, scope: Scope, changes: Sequence[str]
) -> None:
    statistics = Statistics(postgres)
    questions = [
        StatisticsQuery(
            replace(hourly(name).samples, scope=scope), 3600, groupby=("resource_id", "project_id")
        )
        for name in "abd"
    ]
    for query in (*questions, *questions):
        statistics.compute(query)
        asyncio.run(statistics.soon(query))
    with postgres.write() as connection:
        for change in changes:
            connection.exec_driver_sql(change)

    first = [statistics.compute(query) for query in questions]
    soon = [asyncio.run(statistics.soon(query)) for query in questions]

    expected = [Statistics(postgres).compute(query) for query in questions]
    assert first == expected
    assert [rows_of(one) for one in soon if one] == [
        rows for rows, one in zip(expected, soon, strict=True) if one
    ]
    assert [statistics.compute(query) for query in questions] == expected


def rows_of(found: Hours | StatisticsTable) -> list[StatisticsRow]:
    return list((found.table() if isinstance(found, Hours) else found).rows())
