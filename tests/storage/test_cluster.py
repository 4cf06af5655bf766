"""What is asked of Citus, and what is refused without it. It runs against stand-ins: see tests/storage/citus.py."""

from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.errors import SchemaMismatch, StorageError
from storage.migrate import upgrade
from storage.schema import metadata
from storage.settings import DatabaseSettings
from storage.tables import DISTRIBUTE, EVERYWHERE, project
from storage.upkeep.cluster import Cluster, Placement
from tests.servers import DatabaseServer
from tests.storage.citus import calls, install


@pytest.fixture
def empty(postgresql: DatabaseServer) -> Iterator[Database]:
    """A PostgreSQL database with nothing in it."""
    url = postgresql.create_database()
    database = Database(DatabaseSettings(url=url))
    yield database
    database.dispose()
    postgresql.drop_database(url)


@pytest.fixture
def coordinator(empty: Database) -> Database:
    """A PostgreSQL database with the schema and the stand-ins of Citus."""
    upgrade(empty)
    install(empty)
    return empty


def test_dimensions_are_copied_and_samples_spread_by_their_group(coordinator: Database) -> None:
    placed = Cluster(coordinator).distribute(shards=8)

    made = calls(coordinator)
    assert "create_reference_table(resource)" in made
    assert "create_distributed_table(hot, gid, none, 8)" in made
    assert "create_distributed_table(day_tile, gid, hot, )" in made
    assert "create_distributed_table(delta_identity, id, none, 8)" in made
    assert len(made) == sum(DISTRIBUTE in table.info for table in metadata.tables.values())
    assert Placement("alarm", None) in [one.placement for one in placed]
    assert all(one.is_new == (one.placement.by is not None) for one in placed)


def test_a_second_call_changes_nothing(coordinator: Database) -> None:
    cluster = Cluster(coordinator)
    cluster.distribute()
    made = calls(coordinator)

    again = cluster.distribute(shards=64)

    assert calls(coordinator) == made
    assert not any(one.is_new for one in again)


def test_a_call_that_was_killed_half_way_is_finished_by_the_next(coordinator: Database) -> None:
    with coordinator.write() as connection:
        connection.exec_driver_sql("SELECT create_distributed_table('hot', 'gid', colocate_with => 'none')")

    placed = Cluster(coordinator).distribute()

    assert [one.placement.table for one in placed if one.placement.by == "gid" and not one.is_new] == ["hot"]
    assert "create_distributed_table(late, gid, hot, )" in calls(coordinator)


def test_rows_from_before_do_not_fill_the_coordinators_disk(coordinator: Database) -> None:
    with coordinator.write() as connection:
        connection.execute(project.insert().values(pid=1, id="a"))
        connection.exec_driver_sql("INSERT INTO hot VALUES (1, 1, 1, 1, 1, 1, '')")

    Cluster(coordinator).distribute()

    cleared = [call for call in calls(coordinator) if call.startswith("truncate")]
    assert cleared == ["truncate_local_data(project)", "truncate_local_data(hot)"]


def test_a_table_that_is_spread_otherwise_is_named(coordinator: Database) -> None:
    with coordinator.write() as connection:
        connection.exec_driver_sql("SELECT create_distributed_table('tile', 'mid')")

    with pytest.raises(StorageError, match=r"table tile is distributed as 'mid'.*undistribute_table"):
        Cluster(coordinator).distribute()


def test_a_table_that_is_not_beside_the_others_is_named(coordinator: Database) -> None:
    with coordinator.write() as connection:
        connection.exec_driver_sql("SELECT create_distributed_table('tile', 'gid', colocate_with => 'none')")

    with pytest.raises(StorageError, match="table tile is not beside hot"):
        Cluster(coordinator).distribute()


def test_an_old_schema_is_refused(empty: Database) -> None:
    install(empty)

    with pytest.raises(SchemaMismatch, match="nephometer db upgrade"):
        Cluster(empty).distribute()


def test_without_the_extension_it_is_told_how_to_get_it(database: Database) -> None:
    wanted = "CREATE EXTENSION citus" if database.engine.dialect.name == "postgresql" else "only PostgreSQL"

    with pytest.raises(StorageError, match=wanted):
        Cluster(database).distribute()


def test_every_table_says_where_it_belongs() -> None:
    assert {table.info.get(DISTRIBUTE) for table in metadata.tables.values()} == {
        None,
        EVERYWHERE,
        "gid",
        "id",
        "resource_id",
    }
