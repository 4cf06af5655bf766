"""One row for each sample, as one would write it oneself: SQLite and MariaDB, sorted, in one transaction a cycle."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor
from sqlalchemy import make_url

from bench.peers.narrow import Rows

Row = tuple[int, int, float]


def tuples(batch: Rows) -> list[Row]:
    """The rows as the drivers take them, sorted by key."""
    ordered = batch[["series", "ts", "value"]]
    ordered.sort(order=("series", "ts"))
    return [(int(series), int(ts), float(value)) for series, ts, value in ordered.tolist()]


class SQLiteRows:
    """A table with the key (series, ts) and no row id; as durable as ours."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE sample (series INTEGER, ts INTEGER, value REAL, PRIMARY KEY (series, ts)) WITHOUT ROWID"
        )

    def store(self, batch: Sequence[Row]) -> None:
        self._connection.executemany("INSERT OR IGNORE INTO sample VALUES (?, ?, ?)", batch)
        self._connection.commit()

    def count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM sample").fetchone()[0])

    def close(self) -> None:
        self._connection.close()


class MariaDBRows:
    """A table with the key (series, ts); PyMySQL sends many rows with one statement."""

    def __init__(self, url: str) -> None:
        parts = make_url(url)
        self._connection = pymysql.connect(
            host=parts.host or "",
            port=parts.port or 0,
            user=parts.username or "",
            database=parts.database or "",
        )
        self._cursor = self._connection.cursor(_LongStatements)
        self._cursor.execute(
            "CREATE TABLE sample (series INT, ts BIGINT, value DOUBLE, PRIMARY KEY (series, ts)) ENGINE=InnoDB"
        )

    def store(self, batch: Sequence[Row]) -> None:
        self._cursor.executemany("INSERT IGNORE INTO sample VALUES (%s, %s, %s)", batch)
        self._connection.commit()

    def count(self) -> int:
        self._cursor.execute("SELECT count(*) FROM sample")
        row = self._cursor.fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._connection.close()


class _LongStatements(Cursor):
    """A larger statement is a faster one."""

    max_stmt_length = 4_000_000
