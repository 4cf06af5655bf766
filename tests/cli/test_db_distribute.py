from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.settings import DatabaseSettings
from tests.cli.conftest import Nephometer
from tests.servers import DatabaseServer
from tests.storage.citus import install


@pytest.fixture
def coordinator(
    postgresql: DatabaseServer, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer
) -> Iterator[Database]:
    """A PostgreSQL database with the schema, which the settings name."""
    assert nephometer  # it empties the environment first
    url = postgresql.create_database()
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", url)
    database = Database(DatabaseSettings(url=url))
    upgrade(database)
    yield database
    database.dispose()
    postgresql.drop_database(url)


def test_it_is_told_where_each_table_went(coordinator: Database, nephometer: Nephometer) -> None:
    install(coordinator)

    first, second = nephometer("db", "distribute", "--shards", "8"), nephometer("db", "distribute")

    assert (first.code, second.code) == (0, 0)
    assert "resource: copied to every node (done now)" in first.out
    assert "hot: spread by gid (done now)" in first.out
    assert "tile: spread by gid, beside hot (done now)" in first.out
    assert "alarm: stays with the coordinator\n" in first.out
    assert "tile: spread by gid, beside hot (was so already)" in second.out


def test_without_citus_it_is_told_how_to_get_it(coordinator: Database, nephometer: Nephometer) -> None:
    ended = nephometer("db", "distribute")

    assert coordinator.engine.dialect.name == "postgresql"
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "CREATE EXTENSION citus" in ended.err


def test_another_database_cannot_be_distributed(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "sqlite:///:memory:")

    ended = nephometer("db", "distribute")

    assert (ended.code, ended.out) == (1, "")
    assert "only PostgreSQL with the extension citus" in ended.err
