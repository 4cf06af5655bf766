from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select

from storage import revision
from storage.database import Database
from storage.migrate import offline_sql, upgrade
from storage.revision import head, state
from storage.sample import to_microseconds
from storage.schema import MODULES, metadata
from storage.settings import DatabaseSettings
from storage.tables import hot
from storage.upkeep.partitions import Partitions
from storage.watermarks import HOUR
from tests.factories import NOW
from tests.servers import DatabaseServer

MIGRATIONS = Path(__file__).parents[2] / "alembic"


def test_every_module_of_tables_belongs_to_the_schema() -> None:
    files = {path.stem for path in (MIGRATIONS.parent / "storage").glob("tables_*.py")}

    assert {module.__name__.removeprefix("storage.") for module in MODULES} == files


def test_the_migrations_make_exactly_the_tables_of_the_program(database: Database) -> None:
    with database.read() as connection:
        partitions = {partition.name for partition in Partitions(database).hours()}
        # PostgreSQL lists partitions as tables of their own.
        options = {"include_name": lambda name, kind, _: kind != "table" or name not in partitions}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert differences == []


def test_every_partition_has_the_columns_and_the_key_of_the_whole(
    postgresql: DatabaseServer,
) -> None:
    url = postgresql.create_database()
    database = Database(DatabaseSettings(url=url))
    upgrade(database)

    Partitions(database).make_ahead(NOW, hours=0)

    looking = inspect(database.engine)
    whole, rest, hour = (
        (
            [(str(column["name"]), str(column["type"]), column["nullable"]) for column in columns],
            looking.get_pk_constraint(name)["constrained_columns"],
        )
        for name in ("hot", "hot_rest", "hot_2026112312")
        for columns in [looking.get_columns(name)]
    )
    assert whole == rest == hour
    assert whole[1] == [column.name for column in hot.primary_key]
    database.dispose()
    postgresql.drop_database(url)


def test_rows_of_a_store_without_partitions_are_kept(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url))
    _upgrade_to(database, "0002")
    rows = [
        (1, rid, to_microseconds(NOW) + hours * HOUR, 1, 1, 0, b"12345678")
        for rid in (1, 2)
        for hours in (-900, 0)
    ]
    with database.write() as connection:
        database.dialect.insert_new(connection, hot, rows)

    applied = upgrade(database)

    with database.read() as connection:
        kept = connection.execute(select(hot).order_by(hot.c.rid, hot.c.ts)).all()
    assert applied[0] == "0003"
    assert [tuple(row) for row in kept] == rows
    database.dispose()


def test_an_upgrade_is_told_and_a_second_one_does_nothing(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url))
    before = state(database)

    first, second = upgrade(database), upgrade(database)

    assert (before.current, before.is_current) == (None, False)
    assert first[-1] == before.head
    assert second == []
    assert state(database).is_current
    database.dispose()


def test_the_revision_that_is_needed_is_found_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert head() == ScriptDirectory.from_config(config).get_current_head()


def test_the_revision_that_is_needed_is_that_of_the_program_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package upgrade takes the files away under it."""
    needed = head()

    monkeypatch.setattr(revision, "migrations", lambda: tmp_path)

    assert head() == needed


def test_the_statements_can_be_printed_for_an_administrator() -> None:
    for url in ("sqlite://", "postgresql+psycopg://", "mysql+pymysql://"):
        script = offline_sql(url)

        assert "CREATE TABLE hot" in script
        assert "INSERT INTO id_counter" in script


def test_the_printed_statements_make_what_an_upgrade_makes(mariadb: DatabaseServer) -> None:
    by_hand, by_us = (
        Database(DatabaseSettings(url=mariadb.create_database())),
        Database(DatabaseSettings(url=mariadb.create_database())),
    )
    upgrade(by_us)
    script = "\n".join(
        line for line in offline_sql("mysql+pymysql://").splitlines() if not line.startswith("--")
    )

    with by_hand.write() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))

    assert state(by_hand).is_current
    assert [partition.name[:10] for partition in Partitions(by_hand).hours()] == ["hot_until_", "hot_rest"]
    assert len(Partitions(by_us).hours()) == 2
    assert Partitions(by_us).make_ahead(datetime(2020, 2, 2, 8, tzinfo=UTC)) == 1  # before the server's clock
    assert [part.name for part in Partitions(by_us).hours()] == [
        "hot_until_2020020208",
        "hot_2020020208",
        "hot_rest",
    ]
    for database in (by_hand, by_us):
        database.dispose()


def _upgrade_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write(limit_s=0) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
