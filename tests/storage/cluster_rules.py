"""What Citus demands of a schema, as a list of complaints (docs/decisions/0019-cluster.md)."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Constraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    make_url,
    text,
)
from sqlalchemy import (
    Sequence as Numbers,
)

from storage.tables import DISTRIBUTE, EVERYWHERE

TRIGGERS = text("SELECT tgname, tgrelid::regclass::text AS held FROM pg_trigger WHERE NOT tgisinternal")
SEQUENCES = text("SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace")
STORAGE = text(
    "SELECT attstorage FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attname = 'raw'"
)


def complaints(tables: Iterable[Table]) -> list[str]:
    """What is wrong with these tables; each may say in its `info` how it is distributed."""
    listed = list(tables)
    found = [complaint for table in listed for complaint in _of_table(table)]
    return sorted([*found, *_unlike_types(listed)])


def complaints_of_server(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """What is wrong with the tables as they stand in a PostgreSQL database, distributed as `tables` say."""
    listed = list(tables)
    real = MetaData()
    real.reflect(connection, only=[table.name for table in listed])
    for table in listed:
        real.tables[table.name].info.update(table.info)
    triggers = [f"{row.held}: trigger {row.tgname}" for row in connection.execute(TRIGGERS)]
    sequences = [f"sequence {name}" for name in connection.scalars(SEQUENCES)]
    return sorted([*complaints(real.tables.values()), *triggers, *sequences, *_storage(connection, listed)])


def _of_table(table: Table) -> Iterator[str]:
    yield from (f"{table.name}.{column.name}: numbered by a sequence" for column in _numbered(table))
    by = table.info.get(DISTRIBUTE)
    for key in table.foreign_key_constraints:
        ends = (table, *(element.column.table for element in key.elements))
        if any(_is_spread(end) for end in ends):
            yield f"{table.name}: foreign key to or from a distributed table"
    if by in (None, EVERYWHERE):
        return
    if by not in table.columns:
        yield f"{table.name}: distributed by {by!r}, which is no column of it"
        return
    if [column.name for column in table.primary_key][:1] != [by]:
        yield f"{table.name}: its primary key does not begin with {by}"
    for name, columns in _unique(table):
        if by not in columns:
            yield f"{table.name}: {name} is unique without {by}"


def _is_spread(table: Table) -> bool:
    return table.info.get(DISTRIBUTE) not in (None, EVERYWHERE)


def _numbered(table: Table) -> Iterator[Column[object]]:
    for column in table.columns:
        default = str(getattr(column.server_default, "arg", ""))
        is_numbered = column.identity is not None or isinstance(column.default, Numbers)
        if column is table.autoincrement_column or is_numbered or "nextval" in default:
            yield column


def _unique(table: Table) -> Iterator[tuple[str, Sequence[str]]]:
    rules: list[Constraint | Index] = [*table.constraints, *table.indexes]
    for rule in rules:
        if isinstance(rule, UniqueConstraint) or (isinstance(rule, Index) and rule.unique):
            yield str(rule.name or "a constraint"), [column.name for column in rule.columns]


def _unlike_types(tables: Sequence[Table]) -> Iterator[str]:
    """Tables spread by the same column stand together, which needs one type."""
    kinds: dict[str, set[str]] = {}
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    for table in tables:
        by: str = table.info.get(DISTRIBUTE, "")
        if by in table.columns:
            kinds.setdefault(by, set()).add(table.columns[by].type.compile(dialect))
    for by, types in kinds.items():
        if len(types) > 1:
            yield f"{by} is of several types: {', '.join(sorted(types))}"


def _storage(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    """Citus refuses SET STORAGE later, so the migrations must have set it."""
    for table in tables:
        if "raw" in table.columns and connection.execute(STORAGE, {"name": table.name}).scalar_one() != "e":
            yield f"{table.name}.raw: its records cannot be read by substr alone"
