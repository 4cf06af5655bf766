import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from sqlalchemy import Connection, Engine, Table, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from storage.dialects.texts import Parameters, Texts
from storage.ingest.kept import kept_of
from storage.ingest.rows import Rows
from storage.settings import DatabaseSettings

STEPS_BETWEEN_LOOKS = 100_000
# https://www.sqlite.org/rescode.html
UNUSABLE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

# Every commit touches a page for every few resources: so pages are large (a third less processor than with 4096
# bytes), kept at hand, and the log is carried over into the file seldom (32 MB of it), which writes each of them once
# for many commits. A file that is there keeps the size of its pages.
PRAGMAS = (
    "page_size=16384",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-16384",
    "wal_autocheckpoint=2000",
)

BY_KEY = (  # it would read the whole table for a list of keys behind IN
    "FROM (VALUES {keys}) CROSS JOIN {table}"
    " ON gid = column1 AND ts = column2 AND rid = column3 AND part = column4"
)


class SQLite:
    """Embedded: write-ahead log, one writer at a time, every commit synced to disk."""

    name = "sqlite"
    mark = "?"
    byte: ClassVar[str] = "unicode(substr({}, {}, 1))"  # of bytes up to 191: what they are, 0 is NULL
    keep_first: ClassVar[str] = "ON CONFLICT DO NOTHING"
    texts: ClassVar[Texts] = Parameters(mark, keep_first)
    begin_options: ClassVar[dict[str, object]] = {}
    durability: ClassVar[str] = "SELECT 'synchronous', synchronous FROM pragma_synchronous"
    lasting: ClassVar[dict[str, tuple[str, ...]]] = {"synchronous": ("2", "3")}  # FULL, EXTRA

    def engine_options(self, settings: DatabaseSettings) -> dict[str, object]:
        """`timeout_s` is how long a writer waits for another one."""
        return {"connect_args": {"timeout": settings.timeout_s}, "pool_size": settings.pool_size}

    def check(self, _driver: Any, _given: Mapping[str, Any]) -> None:
        """SQLAlchemy has looked at them."""

    def prepare(self, engine: Engine) -> None:
        """Makes the folder, and BEGIN ours: IMMEDIATE for writers, so that two never deadlock."""
        path = engine.url.database
        if path and path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)

        @event.listens_for(engine, "connect")
        def configure(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            write = connection.get_execution_options().get("write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    def begin(self, connection: Connection, seconds: float) -> None:
        """Nothing but the limit."""
        self.limit(connection, seconds)

    def begin_reading(self, connection: Connection, seconds: float) -> None:
        """Nothing but the limit."""
        self.limit(connection, seconds)

    def limit(self, connection: Connection, seconds: float) -> None:
        """SQLite asks every so many steps of its machine whether to go on."""
        _limit(cast("sqlite3.Connection", connection.connection.driver_connection), seconds)

    def snapshot(self, connection: Connection, seconds: float) -> None:
        """Every transaction of SQLite sees one moment."""
        self.limit(connection, seconds)

    def asking_options(self, _settings: DatabaseSettings) -> dict[str, object] | None:
        """The same: outside of a transaction, a statement is one."""
        return None

    def ask(
        self, driver: Any, statement: str, values: Sequence[int | str | bytes], seconds: float
    ) -> Sequence[Any]:
        """The limit is as that of a transaction."""
        connection: sqlite3.Connection = driver
        _limit(connection, seconds)
        return connection.execute(statement, values).fetchall()

    def lines(self, opened: Callable[[], Any], settings: DatabaseSettings) -> None:
        """Its driver waits for answers."""

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """One prepared statement for all rows."""
        marks = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {table.name} VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - our table
        return int(connection.exec_driver_sql(statement, list(rows)).rowcount)

    def insert_fresh(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """The same."""
        return self.insert_new(connection, table, rows)

    def insert_rows(self, connection: Connection, table: Table, rows: Rows) -> int:
        """One prepared statement for all rows."""
        return self.insert_new(connection, table, list(rows.tuples()))

    def kept(self, connection: Connection, table: Table, rows: Rows) -> tuple[int, int]:
        """By reading the rows again."""
        return kept_of(connection, table, rows, BY_KEY)

    def is_lost_race(self, error: DBAPIError) -> bool:
        """SQLITE_BUSY and SQLITE_LOCKED after the timeout."""
        return "locked" in str(error.orig) or "busy" in str(error.orig)

    def is_refused(self, error: DBAPIError) -> bool:
        """Constraint and type errors, and integers beyond 64 bits."""
        return isinstance(error, DataError | IntegrityError) or "too large" in str(error.orig)

    def is_too_slow(self, error: DBAPIError) -> bool:
        """SQLite has no error code for it."""
        return "interrupted" in str(error.orig)

    def is_missing_table(self, error: DBAPIError) -> bool:
        """SQLite has no error code for it."""
        return any(words in str(error.orig) for words in ("no such table", "no such column", "has no column"))

    def is_unusable(self, error: DBAPIError) -> bool:
        """By primary result code: nobody else is on the way to give a file its contents or its rights."""
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in UNUSABLE


def _limit(driver: sqlite3.Connection, seconds: float) -> None:
    end = time.monotonic() + seconds
    driver.set_progress_handler((lambda: time.monotonic() > end) if seconds else None, STEPS_BETWEEN_LOOKS)
