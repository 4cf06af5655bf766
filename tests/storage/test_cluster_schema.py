"""The schema is one that Citus takes, and the rules that say so see what it would refuse."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
)

from storage.database import Database
from storage.migrate import upgrade
from storage.schema import metadata
from storage.settings import DatabaseSettings
from storage.tables import BY_GROUP, COPIED
from storage.upkeep.cluster import placements
from tests.servers import DatabaseServer
from tests.storage.cluster_rules import complaints, complaints_of_server

NOTHING: dict[str, str] = {}


@pytest.fixture
def migrated(postgresql: DatabaseServer) -> Iterator[Database]:
    """A PostgreSQL database as the migrations make it."""
    url = postgresql.create_database()
    database = Database(DatabaseSettings(url=url))
    upgrade(database)
    yield database
    database.dispose()
    postgresql.drop_database(url)


def test_the_tables_of_the_program_can_be_distributed() -> None:
    assert complaints(metadata.tables.values()) == []


def test_the_tables_the_migrations_make_can_be_distributed(migrated: Database) -> None:
    with migrated.read() as connection:
        found = complaints_of_server(connection, metadata.tables.values())

    assert found == []


def test_what_stands_in_the_server_counts_and_not_what_the_program_believes(
    migrated: Database,
) -> None:
    with migrated.write() as connection:
        for statement in (
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER watching AFTER INSERT ON late FOR EACH ROW EXECUTE FUNCTION nothing()",
            "CREATE SEQUENCE numbers",
            "ALTER TABLE late ALTER COLUMN ver SET DEFAULT nextval('numbers')",
            "CREATE UNIQUE INDEX alone ON series (rid)",
            "ALTER TABLE day_tile ALTER COLUMN raw SET STORAGE EXTENDED",
            "ALTER TABLE delta ADD FOREIGN KEY (mid) REFERENCES meter (mid)",
        ):
            connection.exec_driver_sql(statement)

    with migrated.read() as connection:
        found = complaints_of_server(connection, metadata.tables.values())

    assert found == [
        "day_tile.raw: its records cannot be read by substr alone",
        "delta: foreign key to or from a distributed table",
        "late.ver: numbered by a sequence",
        "late: trigger watching",
        "sequence numbers",
        "series: alone is unique without gid",
    ]


def number(name: str = "gid", *, primary_key: bool = True) -> Column[int]:
    return Column(name, Integer, primary_key=primary_key, autoincrement=False)


def key_without_group(tables: MetaData) -> None:
    Table("bad", tables, number("rid"), number("gid", primary_key=False), info=BY_GROUP)


def group_not_first(tables: MetaData) -> None:
    Table("bad", tables, number("rid"), number("gid"), info=BY_GROUP)


def no_key(tables: MetaData) -> None:
    Table("bad", tables, number("gid", primary_key=False), info=BY_GROUP)


def no_such_column(tables: MetaData) -> None:
    Table("bad", tables, number("rid"), info=BY_GROUP)


def unique_without_group(tables: MetaData) -> None:
    Table("bad", tables, number(), Column("a", Integer), UniqueConstraint("a"), info=BY_GROUP)


def unique_index_without_group(tables: MetaData) -> None:
    Table("bad", tables, number(), Column("a", Integer), Index("ix", "a", unique=True), info=BY_GROUP)


def foreign_key_from(tables: MetaData) -> None:
    Table("whole", tables, number("mid"), info=COPIED)
    Table("bad", tables, number(), Column("mid", Integer, ForeignKey("whole.mid")), info=BY_GROUP)


def foreign_key_to(tables: MetaData) -> None:
    Table("spread", tables, number(), info=BY_GROUP)
    Table("bad", tables, number("rid"), Column("gid", Integer, ForeignKey("spread.gid")))


def serial(tables: MetaData) -> None:
    Table("bad", tables, Column("rid", Integer, primary_key=True), info=COPIED)


def identity(tables: MetaData) -> None:
    Table("bad", tables, number(), Column("a", Integer, Identity()), info=BY_GROUP)


def sequence(tables: MetaData) -> None:
    Table("bad", tables, number(), Column("a", Integer, Sequence("numbers")), info=BY_GROUP)


def several_types(tables: MetaData) -> None:
    Table("good", tables, number(), info=BY_GROUP)
    Table("bad", tables, Column("gid", BigInteger, primary_key=True, autoincrement=False), info=BY_GROUP)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (key_without_group, "bad: its primary key does not begin with gid"),
        (group_not_first, "bad: its primary key does not begin with gid"),
        (no_key, "bad: its primary key does not begin with gid"),
        (no_such_column, "bad: distributed by 'gid', which is no column of it"),
        (unique_without_group, "bad: a constraint is unique without gid"),
        (unique_index_without_group, "bad: ix is unique without gid"),
        (foreign_key_from, "bad: foreign key to or from a distributed table"),
        (foreign_key_to, "bad: foreign key to or from a distributed table"),
        (serial, "bad.rid: numbered by a sequence"),
        (identity, "bad.a: numbered by a sequence"),
        (sequence, "bad.a: numbered by a sequence"),
        (several_types, "gid is of several types: BIGINT, INTEGER"),
    ],
)
def test_a_table_that_citus_would_refuse_is_found(bad: Callable[[MetaData], None], complaint: str) -> None:
    tables = MetaData()
    bad(tables)

    assert complaints(tables.tables.values()) == [complaint]


def test_a_good_table_is_left_alone() -> None:
    tables = MetaData()
    Table("whole", tables, number("mid"), Column("name", Text, unique=True), info=COPIED)
    Table("spread", tables, number(), number("rid"), UniqueConstraint("rid", "gid"), info=BY_GROUP)
    Table("staying", tables, number("a"), Column("mid", Integer, ForeignKey("whole.mid")), info=NOTHING)

    assert complaints(tables.tables.values()) == []


def test_tables_spread_alike_are_placed_together_after_what_is_copied() -> None:
    tables = MetaData()
    Table("b", tables, number(), info=BY_GROUP)
    Table("a", tables, number(), info=BY_GROUP)
    Table("c", tables, number(), info=COPIED)

    found = [(place.table, place.by, place.beside) for place in placements(list(tables.tables.values()))]

    assert found == [("c", "everywhere", None), ("a", "gid", None), ("b", "gid", "a")]
