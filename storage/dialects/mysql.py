from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from storage.dialects.texts import Parameters, Texts
from storage.ingest.kept import kept_of
from storage.ingest.rows import Rows
from storage.packing import READING
from storage.settings import DatabaseSettings

# https://mariadb.com/kb/en/mariadb-error-codes/
LOST_RACES = {1205, 1213, 1020}  # lock wait timeout, deadlock, record changed since last read
REFUSED = {1153, 1264, 1366, 1406}  # packet too big, out of range, wrong value, too long
TOO_SLOW = 1969  # max_statement_time
MISSING = {1146, 1054}  # table, column

SESSION = (
    "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE',"
    " innodb_lock_wait_timeout = {lock_s}"
)
BY_KEY = "FROM {table} WHERE (gid, ts, rid, part) IN ({keys})"
ROWS_PER_STATEMENT = 1000  # of samples about 0.2 MB of literals
STATEMENT_LENGTH = 4_000_000  # of literals; max_allowed_packet is 16 MB


class MySQL:
    """MariaDB and MySQL through PyMySQL; batches travel as multi-row INSERTs with hex literals.

    An UPDATE's row count means rows *changed* here, as an insert's must to tell new rows from old.
    """

    name = "mysql+pymysql"
    mark = "%s"
    byte: ClassVar[str] = "ord(substr({}, {}, 1))"
    keep_first: ClassVar[str] = "ON DUPLICATE KEY UPDATE {key} = {table}.{key}"
    texts: ClassVar[Texts] = Parameters(mark, keep_first)
    begin_options: ClassVar[dict[str, object]] = {}
    durability: ClassVar[str] = "SHOW GLOBAL VARIABLES"
    lasting: ClassVar[dict[str, tuple[str, ...]]] = {
        "innodb_doublewrite": ("on", "1"),
        "innodb_flush_log_at_trx_commit": ("1", "3"),
    }

    def engine_options(self, settings: DatabaseSettings) -> dict[str, Any]:
        """Strict mode, UTC, byte comparison and time limits are set for every session."""
        limit_s = max(1, int(settings.timeout_s))
        return {
            "pool_size": settings.pool_size,
            "pool_timeout": settings.timeout_s,
            "isolation_level": "READ COMMITTED",
            "connect_args": {
                "charset": "utf8mb4",
                "collation": "utf8mb4_nopad_bin",
                "client_flag": 0,  # no FOUND_ROWS: a duplicate left alone counts as 0
                "connect_timeout": max(2, limit_s),
                "read_timeout": 120,
                "write_timeout": 120,
                "init_command": SESSION.format(lock_s=limit_s),
            },
        }

    def check(self, driver: Any, given: Mapping[str, Any]) -> None:
        """By making a connection that does not connect; its own words would not name a file that is not there."""
        unknown = sorted(given.keys() - signature(driver.Connection).parameters.keys())
        if unknown:
            raise ValueError(f"PyMySQL has no parameter {', '.join(unknown)}")
        files = given.get("ssl") or {}
        for path in (files[name] for name in ("ca", "cert", "key") if name in files):
            Path(path).open("rb").close()
        driver.Connection(**given, defer_connect=True)

    def prepare(self, engine: Engine) -> None:
        """Nothing more: the session command says it all."""

    def begin(self, connection: Connection, seconds: float) -> None:
        """Nothing but the limit."""
        self.limit(connection, seconds)

    def begin_reading(self, connection: Connection, seconds: float) -> None:
        """Nothing but the limit."""
        self.limit(connection, seconds)

    def limit(self, connection: Connection, seconds: float) -> None:
        """Holds until the next transaction sets its own."""
        connection.exec_driver_sql(
            f"SET max_statement_time = {float(seconds)}, tx_isolation = 'READ-COMMITTED'"
        )

    def snapshot(self, connection: Connection, seconds: float) -> None:
        """The moment is that of the first question, which keeps the tables it names as they are until the end."""
        connection.exec_driver_sql(
            f"SET max_statement_time = {float(seconds)}, tx_isolation = 'REPEATABLE-READ'"
        )

    def asking_options(self, settings: DatabaseSettings) -> dict[str, object]:
        """The limit is that of the session."""
        options = self.engine_options(settings)
        session = (
            f"{options['connect_args']['init_command']}, max_statement_time = {float(settings.timeout_s)}"
        )
        connect_args = {**options["connect_args"], "init_command": session, "autocommit": True}
        return {**options, "isolation_level": "AUTOCOMMIT", "connect_args": connect_args}

    def ask(
        self, driver: Any, statement: str, values: Sequence[int | str | bytes], _seconds: float
    ) -> Sequence[Any]:
        """One round trip; the session has the limit."""
        with driver.cursor() as cursor:
            cursor.execute(statement, values)
            rows: Sequence[Any] = cursor.fetchall()
            return rows

    def lines(self, opened: Callable[[], Any], settings: DatabaseSettings) -> None:
        """Its driver waits for answers."""

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """Multi-row statements; a row whose key is there is left as it is."""
        return _insert(connection, table, [_literal(row) for row in rows])

    def insert_fresh(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """The same."""
        return self.insert_new(connection, table, rows)

    def insert_rows(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Multi-row statements of hex literals; all readings become hex at once."""
        digits, begin, literals = rows.readings.tobytes().hex(), 0, []
        ends = (np.cumsum(rows.width) * 2 * READING).tolist()
        columns = [column.tolist() for column in rows.numbers]
        for gid, rid, ts, part, ver, recv, end in zip(*columns, ends, strict=True):
            literals.append(f"({gid},{rid},{ts},{part},{ver},{recv},x'{digits[begin:end]}')")
            begin = end
        return _insert(connection, table, literals)

    def kept(self, connection: Connection, table: Table, rows: Rows) -> tuple[int, int]:
        """By reading the rows again."""
        return kept_of(connection, table, rows, BY_KEY)

    def is_lost_race(self, error: DBAPIError) -> bool:
        """By error number."""
        return _code(error) in LOST_RACES

    def is_refused(self, error: DBAPIError) -> bool:
        """Data and integrity errors, and operational errors that are about the data."""
        return isinstance(error, DataError | IntegrityError) or _code(error) in REFUSED

    def is_too_slow(self, error: DBAPIError) -> bool:
        """By error number."""
        return _code(error) == TOO_SLOW

    def is_missing_table(self, error: DBAPIError) -> bool:
        """By error number."""
        return _code(error) in MISSING

    def is_unusable(self, _error: DBAPIError) -> bool:
        """A server may still be on its way, and so may its users and databases."""
        return False


def _insert(connection: Connection, table: Table, literals: Sequence[str]) -> int:
    """How many of these rows, sorted by key, were new."""
    first = next(iter(table.primary_key)).name
    inserted = 0
    for some in _pieces(literals):
        values = ",".join(some)
        keep = f"ON DUPLICATE KEY UPDATE {first} = {table.name}.{first}"
        statement = f"INSERT INTO {table.name} VALUES {values} {keep}"  # noqa: S608 - our table, our literals
        inserted += int(connection.exec_driver_sql(statement).rowcount)
    return inserted


def _pieces(literals: Sequence[str]) -> Iterator[Sequence[str]]:
    """In pieces that one statement each may hold; a longer one stands alone."""
    first = length = 0
    for place, literal in enumerate(literals):
        if place > first and (
            place - first >= ROWS_PER_STATEMENT or length + len(literal) > STATEMENT_LENGTH
        ):
            yield literals[first:place]
            first, length = place, 0
        length += len(literal)
    if literals:
        yield literals[first:]


def _literal(row: tuple[object, ...]) -> str:
    """Integers and blobs as SQL literals; nothing else may enter (text has its own, parametrized way)."""
    parts = []
    for value in row:
        if isinstance(value, bytes):
            parts.append(f"x'{value.hex()}'")
        elif isinstance(value, int):
            parts.append(str(int(value)))
        else:
            raise TypeError(f"sample rows hold integers and bytes, not {type(value).__name__}")
    return "(" + ",".join(parts) + ")"


def _code(error: DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
