"""Spreads the tables over the nodes of a Citus cluster, as `storage.tables` says.

https://docs.citusdata.com/en/stable/develop/api_udf.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Table, text

from storage.database import Database
from storage.errors import SchemaMismatch, StorageError
from storage.revision import state
from storage.schema import metadata
from storage.tables import DISTRIBUTE, EVERYWHERE, hot

SHARDS = 32

_EXTENSION = text("SELECT extversion FROM pg_extension WHERE extname = 'citus'")
_FOUND = text(
    "SELECT table_name::text AS name, citus_table_type AS kind, distribution_column AS by, colocation_id AS together"
    " FROM citus_tables WHERE citus_table_type IN ('distributed', 'reference')"
)
# What a table held before it was distributed stays on the coordinator, seen by nobody, until it is truncated.
_LEFT = text(
    "SELECT coalesce(sum(pg_relation_size(pg_class.oid)), 0) FROM pg_class"
    " LEFT JOIN pg_inherits ON inhrelid = pg_class.oid"
    " WHERE relkind = 'r' AND CAST(:name AS regclass) IN (pg_class.oid, inhparent)"
)
_TRUNCATE = text("SELECT truncate_local_data_after_distributing_table(CAST(:name AS regclass))")
_REFERENCE = text("SELECT create_reference_table(CAST(:name AS regclass))")
_FIRST = text(
    "SELECT create_distributed_table(CAST(:name AS regclass), :by, colocate_with => 'none', shard_count => :shards)"
)
_BESIDE = text("SELECT create_distributed_table(CAST(:name AS regclass), :by, colocate_with => :beside)")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the rows of a table belong.

    `by`: the column they are spread by, EVERYWHERE for a copy on each node, None for the coordinator alone.
    `beside`: the table whose rows of the same value are on the same node; None: it is the first of its kind.
    """

    table: str
    by: str | None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A placement that holds now; `is_new`: this call made it."""

    placement: Placement
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """What Citus says of a table: `by` is as in Placement, `together` the number of those spread alike."""

    by: str
    together: int


class Cluster:
    """A database that is the coordinator of a Citus cluster."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def distribute(self, shards: int = SHARDS) -> list[Placed]:
        """Places every table where it belongs, those that are not there yet; in the order in which it was done.

        Each table has a transaction of its own, so that a call that failed or was killed can be repeated.
        `shards` counts for tables spread anew. Raises StorageError where there is no Citus, or where a table is
        placed differently.
        """
        self._check()
        placed: list[Placed] = []
        for place in placements(list(metadata.tables.values())):
            found = self._found()
            is_new = place.by is not None and place.table not in found
            if is_new:
                self._place(place, shards)
                found = self._found()
            if place.by is not None:
                _compare(place, found)
                self._clear(place.table)
            placed.append(Placed(place, is_new))
        return placed

    def _check(self) -> None:
        """Raises StorageError unless this is PostgreSQL with Citus and our newest schema."""
        if self._database.engine.dialect.name != "postgresql":
            raise StorageError(
                "only PostgreSQL with the extension citus can be distributed, see database.url"
            )
        with self._database.read() as connection:
            version = connection.execute(_EXTENSION).scalar()
        if version is None:
            raise StorageError(
                "the extension citus is missing in this database: install Citus on every node, add it to"
                " shared_preload_libraries, restart PostgreSQL and run CREATE EXTENSION citus"
            )
        schema = state(self._database)
        if not schema.is_current:
            raise SchemaMismatch(
                f"the schema is {schema.current or 'empty'}, this version needs {schema.head}:"
                " run `nephometer db upgrade`"
            )

    def _found(self) -> Mapping[str, _Found]:
        with self._database.read() as connection:
            rows = connection.execute(_FOUND).all()
        return {
            row.name: _Found(EVERYWHERE if row.kind == "reference" else row.by, row.together) for row in rows
        }

    def _place(self, place: Placement, shards: int) -> None:
        with self._database.write(limit_s=0) as connection:
            if place.by == EVERYWHERE:
                connection.execute(_REFERENCE, {"name": place.table})
            elif place.beside is None:
                connection.execute(_FIRST, {"name": place.table, "by": place.by, "shards": shards})
            else:
                connection.execute(_BESIDE, {"name": place.table, "by": place.by, "beside": place.beside})

    def _clear(self, table: str) -> None:
        """Gives back the disk of rows that were moved to the nodes."""
        with self._database.write(limit_s=0) as connection:
            if connection.execute(_LEFT, {"name": table}).scalar_one():
                connection.execute(_TRUNCATE, {"name": table})


def placements(tables: Sequence[Table]) -> list[Placement]:
    """Where each table belongs: copied ones, then spread ones (`hot` first, then by name), then those that stay.

    Tables spread by the same column are beside the first of them.
    """
    ordered = sorted(tables, key=lambda table: (table is not hot, table.name))
    copied = [Placement(t.name, EVERYWHERE) for t in ordered if t.info.get(DISTRIBUTE) == EVERYWHERE]
    staying = [Placement(t.name, None) for t in ordered if DISTRIBUTE not in t.info]
    firsts: dict[str, str] = {}
    spread: list[Placement] = []
    for table in ordered:
        by = table.info.get(DISTRIBUTE)
        if by not in (None, EVERYWHERE):
            spread.append(Placement(table.name, by, firsts.get(by)))
            firsts.setdefault(by, table.name)
    return [*copied, *spread, *staying]


def _compare(place: Placement, found: Mapping[str, _Found]) -> None:
    here = found[place.table]
    if here.by != place.by:
        raise StorageError(
            f"table {place.table} is distributed as {here.by!r} and belongs {place.by!r}:"
            f" run SELECT undistribute_table('{place.table}') and try again"
        )
    if place.beside is not None and here.together != found[place.beside].together:
        raise StorageError(
            f"table {place.table} is not beside {place.beside}: run"
            f" SELECT update_distributed_table_colocation('{place.table}', colocate_with => '{place.beside}')"
        )
