"""Partitions of some hours: made ahead, dropped after, and never in the way of a sample."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from storage.database import Database
from storage.faults import ARMED
from storage.sample import to_microseconds
from storage.settings import DatabaseSettings
from storage.tables import hot
from storage.upkeep.partition_kinds import SPAN, Partition
from storage.upkeep.partitions import Partitions
from storage.watermarks import HOUR, look
from tests.databases import WithSchema
from tests.factories import NOW

HOUR_12 = to_microseconds(NOW)
COMING = ["hot_2026112312", "hot_2026112316", "hot_2026112320", "hot_2026112400"]
AHEAD = 12  # hours that need four partitions


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, lenders: dict[str, WithSchema]) -> Iterator[Database]:
    """A database of each server that has partitions, with the schema of this program."""
    kind: str = request.param
    url = lenders.setdefault(kind, WithSchema(request.getfixturevalue(kind))).lend()
    database = Database(DatabaseSettings(url=url))
    yield database
    database.dispose()


def fill(database: Database, *times: int, gids: int = 1) -> None:
    """A row of each group at each of these times."""
    rows = [(gid, gid, ts, 1, 1, 0, b"12345678") for gid in range(1, gids + 1) for ts in sorted(times)]
    with database.write() as connection:
        database.dialect.insert_new(connection, hot, rows)


def times(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(select(hot.c.ts).order_by(hot.c.ts, hot.c.gid)))


def names(database: Database) -> list[str]:
    """The partitions with a beginning of their own."""
    return [
        partition.name
        for partition in Partitions(database).hours()
        if partition.name != "hot_rest" and not partition.name.startswith("hot_until_")
    ]


def has_partitions(database: Database) -> bool:
    return database.engine.dialect.name != "sqlite"


@contextmanager
def reading(database: Database) -> Iterator[None]:
    """A reader in the middle of its questions."""
    with database.read() as connection:
        look(connection)
        yield


def test_the_partitions_of_the_coming_hours_are_made_once(database: Database) -> None:
    partitions = Partitions(database)

    first = partitions.make_ahead(NOW + timedelta(minutes=59))
    second = partitions.make_ahead(NOW)
    later = partitions.make_ahead(NOW + timedelta(hours=1))

    assert not partitions.is_behind
    if has_partitions(database):
        assert (first, second, later) == (1, 0, 1)
        assert names(database) == COMING[:2]
        found = {partition.name: partition for partition in partitions.hours()}
        assert found["hot_2026112316"] == Partition("hot_2026112316", HOUR_12 + SPAN, HOUR_12 + 2 * SPAN)
        assert found["hot_rest"].end is None
    else:
        assert (first, second, later, partitions.hours()) == (0, 0, 0, [])


def test_hours_without_a_collector_leave_a_gap_that_takes_rows_all_the_same(database: Database) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW, hours=0)

    partitions.make_ahead(NOW + timedelta(hours=9), hours=0)
    fill(database, HOUR_12, HOUR_12 + 5 * HOUR, HOUR_12 + 9 * HOUR)

    assert times(database) == [HOUR_12, HOUR_12 + 5 * HOUR, HOUR_12 + 9 * HOUR]
    if has_partitions(database):
        assert names(database) == ["hot_2026112312", "hot_2026112320"]


def test_samples_of_any_age_and_from_a_clock_ahead_are_taken(database: Database) -> None:
    Partitions(database).make_ahead(NOW, hours=0)
    moments = [1, HOUR_12 - 1, HOUR_12, HOUR_12 + SPAN - 1, HOUR_12 + SPAN, HOUR_12 + 9 * HOUR]

    fill(database, *moments)
    fill(database, *moments)

    assert times(database) == moments


def test_several_collectors_make_the_same_partitions_at_once(database: Database) -> None:
    together = threading.Barrier(4)

    def make(_: int) -> int:
        together.wait()
        return Partitions(database).make_ahead(NOW, AHEAD)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    Partitions(database).make_ahead(NOW, AHEAD)

    if has_partitions(database):
        assert names(database) == COMING


def test_an_hour_that_has_begun_without_a_partition_goes_on_without_one_or_is_moved(
    database: Database,
) -> None:
    fill(database, HOUR_12, HOUR_12 + 1)
    partitions = Partitions(database)
    partitions.make_ahead(NOW, AHEAD)

    assert times(database) == [HOUR_12, HOUR_12 + 1]
    if database.engine.dialect.name == "postgresql":
        assert names(database) == COMING[1:]
        assert partitions.is_behind
    elif has_partitions(database):
        assert names(database) == COMING


def test_more_rows_than_can_be_moved_in_passing_stay_where_they_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.upkeep.partition_kinds.MOVED_ROWS_MAX", 1)
    fill(database, HOUR_12, HOUR_12 + 1)

    partitions = Partitions(database)
    made = partitions.make_ahead(NOW)
    assert times(database) == [HOUR_12, HOUR_12 + 1]
    if database.engine.dialect.name in ("mysql", "mariadb"):
        assert (made, partitions.is_behind, names(database)) == (0, True, [])


def test_rows_before_a_moment_go_and_all_others_stay(database: Database) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW, AHEAD)
    end = HOUR_12 + 2 * SPAN + SPAN // 2  # not at the edge of a partition
    gone = [1, HOUR_12 - 5 * HOUR, HOUR_12, HOUR_12 + 2 * SPAN - 1, end - 1]
    kept = [end, end + HOUR, HOUR_12 + 40 * HOUR]
    fill(database, *gone, *kept, gids=9)

    dropped = partitions.drop_before(end)

    assert sorted(set(times(database))) == kept
    assert len(times(database)) == 9 * len(kept)
    if has_partitions(database):
        assert names(database) == COMING[2:]
        assert dropped >= 2
        assert partitions.drop_before(end) == 0


def test_rows_of_dropped_hours_may_come_again(database: Database) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW)
    partitions.drop_before(HOUR_12 + SPAN)

    fill(database, HOUR_12)
    partitions.make_ahead(NOW)
    assert times(database) == [HOUR_12]

    partitions.drop_before(HOUR_12 + SPAN)
    assert times(database) == []


def test_a_user_who_may_not_change_tables_deletes_instead(server: Database) -> None:
    partitions = Partitions(server)
    partitions.make_ahead(NOW)
    fill(server, 1, HOUR_12, HOUR_12 + SPAN)
    guest = Database(DatabaseSettings(url=guest_of(server)))

    made = Partitions(guest).make_ahead(NOW, AHEAD)
    dropped = Partitions(guest).drop_before(HOUR_12 + SPAN)

    guest.dispose()
    assert (made, dropped) == (0, 0)
    assert times(server) == [HOUR_12 + SPAN]


def guest_of(server: Database) -> str:
    """The address for a user who may read and write rows, and nothing else."""
    url = server.engine.url
    if url.get_backend_name() == "postgresql":
        grants = [
            "CREATE ROLE guest LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest",
            "GRANT CREATE ON SCHEMA public TO guest",
        ]
    else:
        grants = [
            "CREATE OR REPLACE USER guest@'%%'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {url.database}.* TO guest@'%%'",
        ]
    with server.write() as connection:
        for grant in grants:
            connection.exec_driver_sql(grant)
    return url.set(username="guest").render_as_string(hide_password=False)


@pytest.mark.parametrize("point", ["hot.drop", "hot.dropped"])
def test_dropping_that_was_killed_is_finished_by_the_next(database: Database, point: str) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW)
    fill(database, 1, HOUR_12, HOUR_12 + SPAN)
    program = (
        "from storage.database import Database; from storage.settings import DatabaseSettings;"
        "from storage.upkeep.partitions import Partitions;"
        f"Partitions(Database(DatabaseSettings(url={database.settings.url!r}))).drop_before({HOUR_12 + SPAN})"
    )

    killed = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {ARMED: point}, check=False, timeout=60
    )
    partitions.drop_before(HOUR_12 + SPAN)

    assert killed.returncode == -signal.SIGKILL
    assert times(database) == [HOUR_12 + SPAN]


def test_a_reader_keeps_its_partitions_and_the_next_turn_drops_them(server: Database) -> None:
    partitions = Partitions(server)
    partitions.make_ahead(NOW)
    fill(server, HOUR_12)
    with reading(server):
        meanwhile = partitions.drop_before(HOUR_12 + SPAN)
        seen = times(server)
    afterwards = partitions.drop_before(HOUR_12 + SPAN)

    assert (meanwhile, seen) == (0, [HOUR_12])
    assert afterwards >= 1
    assert times(server) == []


def test_a_reader_does_not_keep_coming_hours_from_being_made_for_ever(database: Database) -> None:
    partitions = Partitions(database)

    with reading(database):
        partitions.make_ahead(NOW, AHEAD)
    partitions.make_ahead(NOW, AHEAD)
    if has_partitions(database):
        assert names(database) == COMING


def test_a_writer_waits_for_no_partition(server: Database) -> None:
    partitions = Partitions(server)

    with server.write() as connection:
        server.dialect.insert_new(connection, hot, [(1, 1, HOUR_12, 1, 1, 0, b"12345678")])
        partitions.make_ahead(NOW + timedelta(hours=4))
    partitions.make_ahead(NOW + timedelta(hours=4), AHEAD)

    assert times(server) == [HOUR_12]
    assert names(server) == [*COMING[1:], "hot_2026112404"]


def test_a_question_reads_only_the_partitions_of_its_time(server: Database) -> None:
    Partitions(server).make_ahead(NOW, AHEAD)
    fill(server, *(HOUR_12 + number * SPAN for number in range(4)), gids=20)
    asked = "SELECT * FROM hot WHERE gid = :gid AND rid = :rid AND ts >= :start AND ts < :end"
    values = {"gid": 3, "rid": 3, "start": HOUR_12 + SPAN, "end": HOUR_12 + 2 * SPAN}
    explain = "EXPLAIN" if server.engine.dialect.name == "postgresql" else "EXPLAIN PARTITIONS"

    with server.read() as connection:
        plan = str(connection.execute(text(f"{explain} {asked}"), values).all())

    assert COMING[1] in plan
    assert not any(name in plan for name in (COMING[0], COMING[2], COMING[3]))


def test_the_newest_of_all_hours_is_found_across_partitions(database: Database) -> None:
    Partitions(database).make_ahead(NOW)
    fill(database, *(HOUR_12 + number * HOUR for number in range(12)))

    with database.read() as connection:
        newest = connection.execute(select(func.max(hot.c.ts)).where(hot.c.gid == 1)).scalar_one()

    assert newest == HOUR_12 + 11 * HOUR
