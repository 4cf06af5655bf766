from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from psycopg import Connection as PsycopgConnection
from psycopg import Error as PsycopgError
from psycopg.conninfo import make_conninfo
from psycopg.errors import SerializationFailure, UniqueViolation
from psycopg.types.numeric import Int8
from sqlalchemy import (
    Connection,
    Engine,
    Table,
    event,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from storage.dialects.postgresql_binary import BinaryArray, BinaryArrayDumper, arrays, copied
from storage.dialects.postgresql_driver import copy_rows, driver_of, type_of, wrapped
from storage.dialects.postgresql_lines import Lines
from storage.dialects.postgresql_texts import Arrays
from storage.dialects.texts import Texts
from storage.ingest.rows import Rows
from storage.packing import READING
from storage.settings import DatabaseSettings

# https://www.postgresql.org/docs/current/errcodes-appendix.html
# Serialization failure, deadlock, lock timeout; check violation: a row was on its way into the partition of what has no
# other when the partition it belongs to was attached. We have no checks of our own.
LOST_RACES = {"40001", "40P01", "55P03", "23514"}
MISSING = {"42P01", "42703"}  # undefined table, undefined column

CAREFUL_BATCHES = 20
# What psycopg takes of a connection besides libpq's options.
OUTSIDE_LIBPQ = frozenset({"autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory"})

_LIMIT = "SET LOCAL statement_timeout = {}"


class PostgreSQL:
    """psycopg 3; samples arrive by binary COPY, or as binary arrays where some are there already."""

    name = "postgresql+psycopg"
    mark = "%s"
    byte: ClassVar[str] = "get_byte(substr({}, {}, 1) || '\\x00'::bytea, 0)"
    keep_first: ClassVar[str] = "ON CONFLICT DO NOTHING"
    texts: ClassVar[Texts] = Arrays()
    begin_options: ClassVar[dict[str, object]] = {"isolation_level": "AUTOCOMMIT"}  # we say BEGIN
    durability: ClassVar[str] = "SELECT name, setting FROM pg_settings"
    lasting: ClassVar[dict[str, tuple[str, ...]]] = {
        "fsync": ("on",),
        "full_page_writes": ("on",),
        "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
    }

    def __init__(self) -> None:
        self._careful = 0  # so many batches of rows are expected to hold some that are there already
        self._careful_with: Counter[str] = Counter()  # the same of other tables, by name

    def engine_options(self, settings: DatabaseSettings) -> dict[str, Any]:
        """UTC and time limits are set for every session."""
        limit_ms = int(settings.timeout_s * 1000)
        options = f"-c timezone=UTC -c lock_timeout={limit_ms} -c idle_in_transaction_session_timeout=60000"
        return {
            "pool_size": settings.pool_size,
            "pool_timeout": settings.timeout_s,
            "isolation_level": "READ COMMITTED",
            "connect_args": {"connect_timeout": max(2, int(settings.timeout_s)), "options": options},
        }

    def check(self, _driver: Any, given: Mapping[str, Any]) -> None:
        """By libpq's own list of names."""
        options = {name: value for name, value in given.items() if name not in OUTSIDE_LIBPQ}
        try:
            make_conninfo("", **options)
        except PsycopgError as error:
            raise ValueError(str(error).strip()) from error

    def prepare(self, engine: Engine) -> None:
        """Teaches every connection to send our arrays as they are."""

        @event.listens_for(engine, "connect")
        def configure(connection: PsycopgConnection[tuple[object, ...]], _record: object) -> None:
            connection.adapters.register_dumper(BinaryArray, BinaryArrayDumper)

    def begin(self, connection: Connection, seconds: float) -> None:
        """One round trip."""
        connection.exec_driver_sql(
            "BEGIN ISOLATION LEVEL READ COMMITTED; " + _LIMIT.format(int(seconds * 1000))
        )

    def begin_reading(self, connection: Connection, seconds: float) -> None:
        """One round trip."""
        connection.exec_driver_sql(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " + _LIMIT.format(int(seconds * 1000))
        )

    def limit(self, connection: Connection, seconds: float) -> None:
        """Holds until the transaction ends."""
        connection.exec_driver_sql(_LIMIT.format(int(seconds * 1000)))

    def snapshot(self, connection: Connection, seconds: float) -> None:
        """Holds `hot` before the moment is chosen: DROP of a partition waits from here on. One round trip."""
        connection.exec_driver_sql(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
            f" {_LIMIT.format(int(seconds * 1000))}; LOCK TABLE hot IN ACCESS SHARE MODE"
        )

    def asking_options(self, settings: DatabaseSettings) -> dict[str, object]:
        """Plans are made once: to plan anew for each question takes as long as to answer it.

        What is asked all day is in memory, where to jump costs little more than to go on: for spinning disks, which the
        server's default is made for, it would read the whole newest partition for a hundred of its rows.
        Read committed, whatever the server's default is: then a statement locks its tables before its moment is chosen.
        """
        options = self.engine_options(settings)
        session = (
            f"{options['connect_args']['options']} -c statement_timeout={int(settings.timeout_s * 1000)}"
            " -c default_transaction_read_only=on -c plan_cache_mode=force_generic_plan -c random_page_cost=1.1"
            r" -c default_transaction_isolation=read\ committed"
        )
        connect_args = {**options["connect_args"], "options": session, "autocommit": True}
        return {**options, "isolation_level": "AUTOCOMMIT", "connect_args": connect_args}

    def ask(
        self, driver: Any, statement: str, values: Sequence[int | str | bytes], _seconds: float
    ) -> Sequence[Any]:
        """Prepared at once, binary; every integer as a bigint, so that it is one statement whatever their size.

        The session has the limit.
        """
        connection: PsycopgConnection[tuple[object, ...]] = driver
        sent = [Int8(value) if isinstance(value, int) else value for value in values]
        return connection.cursor(binary=True).execute(statement.encode(), sent, prepare=True).fetchall()

    def lines(self, opened: Callable[[], Any], settings: DatabaseSettings) -> Lines:
        """By libpq, which does not wait."""
        return Lines(opened, settings.timeout_s)

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """COPY to staging, then one INSERT that ignores what is there."""
        stage = f"stage_{table.name}"
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {table.name}) ON COMMIT DELETE ROWS"
        )
        copy_rows(connection, stage, table, rows)
        columns = ", ".join(column.name for column in table.primary_key)
        result = connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT * FROM {stage} ORDER BY {columns} ON CONFLICT DO NOTHING"  # noqa: S608 - our tables
        )
        return int(result.rowcount)

    def insert_fresh(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """Straight COPY; careful for a while as `insert_rows` is."""
        if self._careful_with[table.name] > 0:
            self._careful_with[table.name] -= 1
            return self.insert_new(connection, table, rows)
        try:
            copy_rows(connection, table.name, table, rows)
        except IntegrityError as error:
            if not isinstance(error.orig, UniqueViolation):
                raise
            self._careful_with[table.name] = CAREFUL_BATCHES
            raise wrapped(connection, "COPY", SerializationFailure(str(error.orig))) from error
        return len(rows)

    def insert_rows(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Straight COPY, as most rows are new; when one is there already, the transaction counts as a lost race.

        Then it and a few after it INSERT and ignore such rows: what is delivered twice seldom comes alone.
        """
        if self._careful == 0:
            self._copy_rows(connection, table, rows)
            return len(rows)
        self._careful -= 1
        key = ", ".join(column.name for column in table.primary_key)
        result = connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT * FROM {_unnested(table)} ORDER BY {key} ON CONFLICT DO NOTHING",  # noqa: S608 - our tables
            arrays(rows, [type_of(column) for column in table.columns]),
        )
        return int(result.rowcount)

    def _copy_rows(self, connection: Connection, table: Table, rows: Rows) -> None:
        statement = f"COPY {table.name} FROM STDIN (FORMAT BINARY)"
        try:
            with driver_of(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
                copy.write(copied(rows, [type_of(column) for column in table.columns]))
        except UniqueViolation as error:  # a savepoint would cost every batch two round trips
            self._careful = CAREFUL_BATCHES
            raise wrapped(connection, statement, SerializationFailure(str(error))) from error
        except PsycopgError as error:
            raise wrapped(connection, statement, error) from error

    def kept(self, connection: Connection, table: Table, rows: Rows) -> tuple[int, int]:
        """By comparing on the server, each row through the key.

        LIMIT keeps the planner from reading a whole partition for them, which it knows nothing about.
        """
        found = connection.exec_driver_sql(
            "SELECT coalesce(sum(length(old.vals)) FILTER (WHERE old.recv = new.recv AND old.vals = new.vals), 0),"  # noqa: S608 - our tables
            f" count(*) FILTER (WHERE old.vals <> new.vals) FROM {_unnested(table)} CROSS JOIN LATERAL"
            f" (SELECT recv, vals FROM {table.name} WHERE gid = new.gid AND rid = new.rid AND ts = new.ts"
            " AND part = new.part LIMIT 1) AS old",
            arrays(rows, [type_of(column) for column in table.columns]),
        ).one()
        return int(found[0]) // READING, int(found[1])

    def is_lost_race(self, error: DBAPIError) -> bool:
        """By SQLSTATE."""
        return getattr(error.orig, "sqlstate", None) in LOST_RACES

    def is_refused(self, error: DBAPIError) -> bool:
        """Class 22 (data exception) and 23 (integrity), and text psycopg cannot send."""
        return isinstance(error, DataError | IntegrityError)

    def is_too_slow(self, error: DBAPIError) -> bool:
        """By SQLSTATE; an administrator who cancels it gives the same one."""
        return getattr(error.orig, "sqlstate", None) == "57014"

    def is_missing_table(self, error: DBAPIError) -> bool:
        """By SQLSTATE."""
        return getattr(error.orig, "sqlstate", None) in MISSING

    def is_unusable(self, _error: DBAPIError) -> bool:
        """A server may still be on its way, and so may its users and databases."""
        return False


def _unnested(table: Table) -> str:
    """Rows that come as an array for each column."""
    kinds = ", ".join(f"%s::{type_of(column)}[]" for column in table.columns)
    names = ", ".join(column.name for column in table.columns)
    return f"unnest({kinds}) AS new ({names})"
