"""One history, three databases, the same answers to the last byte."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.query import EVERYTHING, MetadataMatch, SampleQuery, Scope, StatisticsQuery
from storage.resources import Resources
from storage.sample import Sample, make_id
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from tests.factories import MINUTE, NOW, sample
from tests.servers import DatabaseServer

WEB = SampleQuery(EVERYTHING, metadata=(MetadataMatch("display_name", "wéb ", "wéb "),))
QUERIES = (
    SampleQuery(EVERYTHING),
    SampleQuery(Scope("project-1")),
    SampleQuery(EVERYTHING, meter="cpu", start=NOW + 5 * MINUTE, end=NOW + 30 * MINUTE, end_closed=True),
    SampleQuery(EVERYTHING, resource_id="instance-3", user_id="user-1"),
    WEB,
)
STATISTICS = (
    StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu"), stddev=True),
    StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu_util"), period_s=600, groupby=("project_id",)),
    StatisticsQuery(
        SampleQuery(Scope("project-2"), meter="image.download"), 300, ("resource_id",), ("user_id",)
    ),
    StatisticsQuery(replace(WEB, meter="cpu"), groupby=("resource_metadata.instance_type", "source")),
)


@pytest.fixture
def databases(
    tmp_path: Path, postgresql: DatabaseServer, mariadb: DatabaseServer
) -> Iterator[list[Database]]:
    urls = [f"sqlite:///{tmp_path / 'one.db'}", postgresql.create_database(), mariadb.create_database()]
    found = [Database(DatabaseSettings(url=url)) for url in urls]
    for database in found:
        upgrade(database)
    yield found
    for database in found:
        database.dispose()


def history(seed: int) -> list[list[Sample]]:
    """Batches of a random history: several meters, projects and flavours, late, repeated and conflicting samples."""
    chance = random.Random(seed)
    every: list[Sample] = []
    for number in range(400):
        resource = chance.randrange(12)
        common = sample(
            resource_id=f"instance-{resource}",
            project_id=f"project-{resource % 3}" if resource else None,
            user_id=f"user-{chance.randrange(2)}",
            timestamp=NOW + MINUTE * chance.randrange(60) + timedelta(microseconds=chance.randrange(3)),
            metadata={
                "display_name": chance.choice(["wéb ", "db"]),
                "instance_type": f"m{chance.randrange(2)}",
            },
            volume=chance.randrange(2**63),
        )
        every += [
            common,
            replace(common, meter="cpu_util", type="gauge", unit="%", volume=chance.uniform(0, 100)),
        ]
        if chance.random() < 0.3:
            every.append(
                replace(
                    common, meter="image.download", type="delta", unit="B", id=make_id(str(seed), str(number))
                )
            )
    every += chance.sample(every, 100)
    every += [replace(one, volume=chance.randrange(9), id=one.id) for one in chance.sample(every, 20)]
    chance.shuffle(every)
    return [every[start : start + 97] for start in range(0, len(every), 97)]


@pytest.mark.parametrize("seed", range(3))
def test_all_databases_answer_alike(databases: list[Database], seed: int) -> None:
    answers = []
    for database in databases:
        samples, resources = Samples(database), Resources(database)
        stored = [
            samples.store(batch, received_at=NOW + timedelta(hours=2, seconds=number))
            for number, batch in enumerate(history(seed))
        ]
        answers.append(
            [
                repr(stored),
                *[repr(samples.find(query, 10_000)) for query in QUERIES],
                *[repr(samples.find(query, 7)) for query in QUERIES],
                *[repr(Statistics(database).compute(query)) for query in STATISTICS],
                *[repr(resources.resources(query, 100)) for query in QUERIES],
                *[repr(resources.meters(query, 100)) for query in QUERIES],
            ]
        )

    assert all(len(answer) > 2 for answer in answers[0])
    assert answers[0] == answers[1] == answers[2]
