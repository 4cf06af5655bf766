from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage import tables_alarms
from storage.database import Database
from storage.migrate import offline_sql, state, upgrade
from storage.settings import DatabaseSettings
from storage.tables import metadata


def test_the_migrations_make_exactly_the_tables_of_the_program(database: Database) -> None:
    assert tables_alarms.alarm.metadata is metadata
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert differences == []


def test_an_upgrade_is_told_and_a_second_one_does_nothing(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url))
    before = state(database)

    first, second = upgrade(database), upgrade(database)

    assert (before.current, before.is_current) == (None, False)
    assert first[-1] == before.head
    assert second == []
    assert state(database).is_current
    database.dispose()


def test_the_statements_can_be_printed_for_an_administrator() -> None:
    for url in ("sqlite://", "postgresql+psycopg://", "mysql+pymysql://"):
        script = offline_sql(url)

        assert "CREATE TABLE hot" in script
        assert "INSERT INTO id_counter" in script
