"""What was remembered of names is not trusted once the database gives their numbers to others, as after a restore."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery
from storage.reading.stored import as_sample
from storage.resources import Resources
from storage.samples import Samples
from storage.series import Series
from storage.statistics import Statistics
from tests.factories import NOW, series
from tests.storage.layers import HOUR, Maintained

MINE, ALL = Scope("project-0"), EVERYTHING
EXCHANGED = (
    "UPDATE resource SET id = 'x' WHERE id = 'a'",
    "UPDATE resource SET id = 'a' WHERE id = 'b'",
    "UPDATE resource SET id = 'b' WHERE id = 'x'",
)
OF_ANOTHER_PROJECT = ("UPDATE resource SET pid = 3 - pid", "UPDATE resource_group SET pid = 3 - pid")
GONE = (
    "DELETE FROM hot WHERE rid = 1",
    "DELETE FROM resource WHERE id = 'a'",
    "UPDATE resource SET rid = 99, slot = 0 WHERE id = 'b'",
)
OF_ONE = SampleQuery(ALL, meter="cpu", resource_id="a", start=NOW)
CASES = [
    (EXCHANGED, OF_ONE),
    (EXCHANGED, replace(OF_ONE, scope=MINE)),
    (OF_ANOTHER_PROJECT, replace(OF_ONE, scope=MINE)),
    (OF_ANOTHER_PROJECT, replace(OF_ONE, scope=MINE, resource_id=None)),
    (GONE, OF_ONE),
    (GONE, replace(OF_ONE, scope=MINE)),
]

BREAK = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

Asking = Callable[[Database], Callable[[SampleQuery], object]]


@pytest.fixture
def store(database: Database) -> Maintained:
    return told(database)


def told(database: Database) -> Maintained:
    """Two resources of a project and two of another, each with its number as its readings; older ones sealed."""
    store = Maintained(database)
    for number, name in enumerate("abcd"):
        polls = series(60, resource_id=name, project_id=f"project-{number // 2}", step=HOUR / 2, metadata={})
        store.store([replace(one, type="gauge", generation=None, volume=number) for one in polls])
    store.seal(timedelta(hours=28))
    store.compact()
    return store


def newest(database: Database) -> Callable[[SampleQuery], object]:
    samples = Samples(database)
    return lambda query: samples.find(replace(query, start=NOW + 29 * HOUR), 100)


def newest_soon(database: Database) -> Callable[[SampleQuery], object]:
    """Of a thread where the event loop cannot tell."""
    samples = Samples(database)

    def ask(query: SampleQuery) -> object:
        question = replace(query, start=NOW + 29 * HOUR)
        soon = asyncio.run(samples.newest_soon(question, 100))
        return samples.find(question, 100) if soon is None else [as_sample(one) for one in soon]

    return ask


def hourly(database: Database) -> Callable[[SampleQuery], object]:
    statistics = Statistics(database)
    return lambda query: statistics.compute(StatisticsQuery(query, 3600, ("resource_id", "project_id")))


def daily(database: Database) -> Callable[[SampleQuery], object]:
    statistics = Statistics(database)
    midnight = NOW.replace(hour=0)
    return lambda query: statistics.compute(StatisticsQuery(replace(query, start=midnight), 86400))


def spread(database: Database) -> Callable[[SampleQuery], object]:
    statistics = Statistics(database)
    return lambda query: statistics.compute(StatisticsQuery(query, groupby=("project_id",), stddev=True))


def latest(database: Database) -> Callable[[SampleQuery], object]:
    series = Series(database)
    return lambda query: series.latest(query, 100)


def listed(database: Database) -> Callable[[SampleQuery], object]:
    resources = Resources(database)
    return lambda query: resources.resources(query, 100)


@pytest.mark.parametrize("asking", [newest, newest_soon, hourly, daily, spread, latest, listed])
@pytest.mark.parametrize(("changes", "query"), CASES)
def test_nobody_is_told_of_somebody_else(
    database: Database, store: Maintained, asking: Asking, changes: Sequence[str], query: SampleQuery
) -> None:
    ask = asking(database)
    learned = [ask(query) for _ in range(3)]
    with database.write() as connection:
        for change in changes:
            connection.exec_driver_sql(change)

    found = [ask(query) for _ in range(3)]

    assert learned == [learned[0]] * 3
    assert learned[0]
    assert found == [asking(database)(query)] * 3


@pytest.mark.parametrize("asking", [newest, newest_soon, hourly, spread, latest, listed])
@pytest.mark.parametrize("resource_id", ["a", None])
def test_nothing_is_remembered_once_connections_broke(
    postgres: Database, asking: Asking, resource_id: str | None
) -> None:
    told(postgres)
    ask, query = asking(postgres), replace(OF_ONE, resource_id=resource_id)
    for _ in range(3):
        ask(query)
    restored = Database(postgres.settings)
    with restored.write() as connection:
        for change in (*OF_ANOTHER_PROJECT, "UPDATE version SET user_id = 'somebody'"):
            connection.exec_driver_sql(change)
    restored.ask(BREAK, ())

    found = [ask(query) for _ in range(3)]

    assert found == [asking(restored)(query)] * 3
    restored.dispose()


@pytest.mark.parametrize("is_noticed", [True, False])
def test_what_is_stored_once_connections_broke_is_its_own(postgres: Database, *, is_noticed: bool) -> None:
    """Also where the batch is the first one to notice."""
    store = told(postgres)
    sample = replace(series(1, resource_id="a", project_id="project-0")[0], timestamp=NOW + 29 * HOUR)
    store.store([sample])
    restored = Database(postgres.settings)
    with restored.write() as connection:
        for change in EXCHANGED:
            connection.exec_driver_sql(change)
    restored.ask(BREAK, ())
    if is_noticed:
        with postgres.read():
            pass

    store.store([replace(sample, timestamp=sample.timestamp + HOUR, volume=77)])

    query = replace(OF_ONE, start=sample.timestamp + HOUR)
    assert [one.sample.volume for one in Samples(restored).find(query, 10)] == [77]
    restored.dispose()
