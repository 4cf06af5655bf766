"""nephometer db maintain and db check, on a store of every kind."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.tables_tiles import day_tile
from storage.upkeep.maintenance import Maintenance, Step
from tests.cli.conftest import Nephometer
from tests.databases import sqlite_with_schema
from tests.factories import sample


def recent(days: int) -> list[Sample]:
    """An hourly sample of two meters until a few hours ago; the command goes by the machine's clock."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    found = []
    for hour in range(days * 24):
        one = sample(timestamp=end - timedelta(hours=hour), volume=1000 - hour)
        found += [one, replace(one, meter="memory", type="gauge", unit="MB", generation=None, volume=5)]
    return found


@pytest.fixture
def database(schema_url: str, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> Iterator[Database]:
    """A store with three days of samples, which the settings name."""
    assert nephometer  # it empties the environment first
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", schema_url)
    database = Database(DatabaseSettings(url=schema_url))
    Samples(database).store(recent(3), received_at=datetime.now(UTC))
    yield database
    database.dispose()


def damage(database: Database) -> None:
    """Cuts off the records of cpu's first day tile."""
    with database.write() as connection:
        first = select(func.min(day_tile.c.start)).where(day_tile.c.mid > 0)
        start = connection.execute(first).scalar_one()
        row = connection.execute(select(day_tile).where(day_tile.c.start == start, day_tile.c.mid == 1)).one()
        connection.execute(
            update(day_tile)
            .where(day_tile.c.start == start, day_tile.c.mid == 1)
            .values(raw=bytes(row.raw)[:-1])
        )


def test_maintaining_does_everything_and_then_has_nothing_to_do(
    database: Database, nephometer: Nephometer
) -> None:
    fresh = nephometer("db", "check")
    first = nephometer("db", "maintain")
    second = nephometer("db", "maintain")
    checked = nephometer("db", "check")

    assert (fresh.code, first.code, second.code, checked.code) == (0, 0, 0, 0)
    assert "nothing is sealed yet" in fresh.out
    assert "144 readings sealed\n" in first.out
    assert "readings compacted\n" in first.out
    assert "hours to seal: 72\n" in first.err
    assert second.out == "Nothing to do.\n"
    assert "rows of tiles are whole" in checked.out
    assert len(Samples(database).find(SampleQuery(EVERYTHING), 1000)) == 144


def test_what_is_damaged_is_listed_and_passed_over(database: Database, nephometer: Nephometer) -> None:
    nephometer("db", "maintain")
    damage(database)
    old = sample(timestamp=min(one.timestamp for one in recent(3)) + timedelta(minutes=7), volume=1)
    Samples(database).store([old], received_at=datetime.now(UTC) - timedelta(hours=1))

    maintained = nephometer("db", "maintain")
    listed = nephometer("db", "check", "-f", "json")
    schema = nephometer("db", "check", "--schema-only")

    assert (maintained.code, listed.code, schema.code) == (1, 1, 0)
    assert "day_tile of group 1, meter number 1" in maintained.err
    (found,) = [row for row in json.loads(listed.out) if row["table"] == "day_tile"]
    assert (found["meter"], found["project"], found["group"]) == ("cpu", "project-a", 1)
    assert "checksum" in found["reason"]
    assert "1 of " in listed.err.splitlines()[-1]


def test_a_store_that_is_not_there_is_not_made(nephometer: Nephometer) -> None:
    ended = nephometer("db", "maintain")

    assert (ended.code, ended.out) == (1, "")
    assert "run `nephometer db upgrade`" in ended.err


def test_an_interrupt_ends_it_between_two_steps_and_the_rest_can_be_done_later(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    Samples(database).store(recent(3), received_at=datetime.now(UTC))
    steps = Maintenance.steps

    # Any: as it was called.
    def interrupted(work: Maintenance, *arguments: Any, **options: Any) -> Iterator[Step]:
        for number, step in enumerate(steps(work, *arguments, **options)):
            if number == 9:
                os.kill(os.getpid(), signal.SIGINT)
            yield step

    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "steps", interrupted)
        first = nephometer("db", "maintain")
    second = nephometer("db", "maintain")
    database.dispose()

    assert first.code == 130
    assert "what is done stays done" in first.err
    assert second.code == 0
    some, rest = (int(told.out.split(" readings sealed\n")[0].split("\n")[-1]) for told in (first, second))
    assert 0 < some < 144
    assert some + rest == 144
