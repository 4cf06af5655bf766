"""A month asked for again comes without the records of its days, and is right whatever happened meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery, StatisticsRow
from storage.reading.hourly import Records
from storage.reading.kept_records import KeptRecords, Known
from storage.reading.overall import ROLLED
from storage.statistics import Statistics
from tests.factories import NOW
from tests.storage.layers import Maintained, history

HOUR = timedelta(hours=1)
MIDNIGHT = NOW.replace(hour=0)
QUERY = StatisticsQuery(
    SampleQuery(EVERYTHING, meter="cpu", start=MIDNIGHT - 72 * HOUR), 3600, ("resource_id",)
)


@pytest.fixture
def store(postgres: Database) -> Maintained:
    """Some days of samples, all of them compacted but today's."""
    store = Maintained(postgres)
    store.store(history(1))
    store.seal()
    store.compact()
    return store


@contextmanager
def records() -> Iterator[list[int]]:
    """How many bytes of records of days each statement gave."""
    found: list[int] = []
    ask = Database.ask

    def counted(database: Database, statement: str, values: Sequence[Any]) -> Sequence[Any]:
        rows = ask(database, statement, values)
        days = [row for row in rows if row[0] == ROLLED and len(row) > 7]
        found.append(sum(len(row[7] or b"") for row in days))
        return rows

    with patch.object(Database, "ask", counted):
        yield found


def fresh(database: Database) -> list[StatisticsRow]:
    return Statistics(database).compute(QUERY)


def test_records_of_days_come_once(postgres: Database, store: Maintained) -> None:
    statistics = Statistics(postgres)
    expected = statistics.compute(QUERY)  # the long way

    with records() as found:
        answers = [statistics.compute(QUERY) for _ in range(3)]

    assert answers == [expected] * 3
    assert [count > 0 for count in found] == [True, False, False]


def test_late_samples_of_a_day_are_answered(postgres: Database, store: Maintained) -> None:
    statistics = Statistics(postgres)
    before = [statistics.compute(QUERY) for _ in range(3)][-1]
    late = next(one for one in history(1) if one.meter == "cpu" and one.timestamp > MIDNIGHT - 30 * HOUR)
    store.store([replace(late, timestamp=late.timestamp + timedelta(seconds=7), volume=late.volume + 1)])

    assert store.reseal() == 1

    after = [statistics.compute(QUERY) for _ in range(3)]
    assert after == [fresh(postgres)] * 3
    assert sum(row.count for row in after[0]) == sum(row.count for row in before) + 1


def test_a_new_day_is_answered(postgres: Database, store: Maintained) -> None:
    statistics = Statistics(postgres)
    for _ in range(3):
        statistics.compute(QUERY)
    later = [replace(one, timestamp=one.timestamp + 24 * HOUR) for one in history(1)]
    store.store([one for one in later if one.timestamp > NOW])
    store.seal(24 * HOUR)
    store.compact()

    assert [statistics.compute(QUERY) for _ in range(3)] == [fresh(postgres)] * 3


def test_days_without_figures_are_not_kept(postgres: Database, store: Maintained) -> None:
    statistics = Statistics(postgres)
    for _ in range(2):
        statistics.compute(QUERY)
    later = replace(QUERY, samples=replace(QUERY.samples, start=NOW + 24 * HOUR, end=None))

    with patch.object(KeptRecords, "keep") as keep:
        assert statistics.compute(later) == []

    assert not keep.called


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    one = Known(frozenset(), [(1, Records(np.zeros(10, np.int64), {0: np.zeros(240, np.int64)}))])
    kept = KeptRecords(2 * one.nbytes)
    keys = [(frozenset((1,)), mid, 0, None) for mid in range(3)]
    for key in keys[:2]:
        kept.keep(key, one)
    kept.get(keys[0])

    kept.keep(keys[2], one)

    assert [kept.get(key) is not None for key in keys] == [True, False, True]
