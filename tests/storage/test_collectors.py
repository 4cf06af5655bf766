"""Collectors that share a store, each sealing what it or another one stored: nobody who asks notices."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.series import Series
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from storage.tiles.kept_days import KeptDays
from storage.tiles.kept_rows import KeptRows
from storage.tiles.seal import Sealer
from storage.upkeep.check import Check
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import HOUR, Maintained, history
from tests.storage.test_layers import figures_told, samples_told

HOURS = 50
MINUTE = timedelta(minutes=1)
METERS = ("cpu", "memory.usage", "cpu_util", "odd", "image.download")
PERIODS = (None, 900, 3600, 5400, 7200, 10800, 86400)


class Collector(Maintained):
    """Keeps the rows it stores; its tiles are of one hour or of up to four."""

    def __init__(self, database: Database, arrivals: Iterator[int], waits_for: int) -> None:
        super().__init__(database)
        self.arrivals = arrivals
        kept_rows = KeptRows()
        self.samples = Samples(database, kept_rows)
        self.sealer = Sealer(
            database,
            grace=timedelta(minutes=10),
            waits_for=waits_for,
            kept_rows=kept_rows,
            kept_days=KeptDays(),
        )


class Reader:
    """Asks a store whatever may be asked."""

    def __init__(self, database: Database) -> None:
        self._statistics, self._samples = Statistics(database), Samples(database)
        self._series = Series(database)

    def answers(self, query: SampleQuery, period_s: int | None) -> list[object]:
        """All kinds of answers about these samples."""
        one = replace(query, scope=EVERYTHING, resource_id="instance-4")
        asked = (
            StatisticsQuery(one, 3600),
            StatisticsQuery(query, 3600, ("resource_id",)),
            StatisticsQuery(query, period_s, ("project_id",)),
            StatisticsQuery(query, period_s),
        )
        return [
            *(figures_told(self._statistics.compute(question)) for question in asked),
            samples_told(self._samples.find(query, 20)),
            samples_told(self._series.latest(query, 100)),
        ]


def queries(chance: random.Random) -> list[tuple[SampleQuery, int | None]]:
    found: list[tuple[SampleQuery, int | None]] = []
    for _ in range(12):
        begin = NOW - HOURS * HOUR + chance.choice((HOUR, 5 * MINUTE)) * chance.randrange(HOURS)
        end = chance.choice(
            (None, begin + chance.randrange(1, 30) * HOUR, begin + chance.randrange(900) * MINUTE)
        )
        scope = chance.choice((EVERYTHING, Scope("project-0"), Scope("project-1")))
        query = SampleQuery(scope, meter=chance.choice(METERS), start=begin, end=end)
        found.append((query, chance.choice(PERIODS)))
    return found


def deliveries(chance: random.Random, samples: list[Sample]) -> Iterator[list[Sample]]:
    """A fifth of them comes late, some twice with another volume."""
    late = set(chance.sample(range(len(samples)), len(samples) // 5))
    order = [one for number, one in enumerate(samples) if number not in late]
    size = len(order) // 14 + 1
    parts = [order[at : at + size] for at in range(0, len(order), size)]
    for number in late:
        parts[chance.randrange(len(parts))].append(samples[number])
    for part in parts:
        yield part
        if chance.random() < 0.5:
            yield [replace(one, volume=7) for one in part[:5]]


@pytest.mark.parametrize("seed", range(3))
def test_nobody_notices_who_stored_and_who_sealed(database: Database, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    other = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    plain, expected, asked = Maintained(other), Reader(other), Reader(database)
    arrivals = count(1)
    collectors = [Collector(database, arrivals, chance.choice((0, 1, 150, 300))) for _ in range(1 + seed % 2)]
    questions = queries(chance)
    samples = sorted(history(seed, hours=HOURS), key=lambda one: one.timestamp)
    for part in deliveries(chance, samples):
        collector = chance.choice(collectors)
        collector.store(part)
        plain.store(part)
        collector = chance.choice(collectors)
        collector.seal(max(one.timestamp for one in part) - NOW - chance.randrange(3) * HOUR)
        chance.choice((collector.reseal, collector.compact))()
        for query in chance.sample(questions, 2):
            assert [asked.answers(*query)] * 2 == [expected.answers(*query), asked.answers(*query)]
    collectors[0].seal()
    collectors[0].reseal()
    collectors[0].compact()

    for query in questions:
        assert [asked.answers(*query)] * 2 == [expected.answers(*query), asked.answers(*query)]
    check = Check(database)
    assert not [damage for gid in check.groups() for damage in check.damages(gid)]
    assert not check.problems(NOW + timedelta(days=3))
    other.dispose()
