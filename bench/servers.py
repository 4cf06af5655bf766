"""The servers of the bench: private as those of the tests, but set up as one that keeps what it is given.

Everything is flushed at commit (fsync, synchronous_commit, flush_log_at_trx_commit=1), for us and for the
peers alike; memory and log sizes are those of a server with some gigabytes.
"""

import contextlib
import sqlite3
from pathlib import Path

import psycopg
import pymysql
from sqlalchemy import make_url

from tests.servers import DatabaseServer, database_url, start_mariadb, start_postgresql

POSTGRESQL = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "2GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "lz4",
    "jit": "off",
}
MARIADB = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=1G",
)


def postgresql() -> DatabaseServer:
    """A PostgreSQL that survives a power cut, asked by its Unix socket, as docs/how-to/install.md advises."""
    return start_postgresql(POSTGRESQL, by_socket=True)


def mariadb() -> DatabaseServer:
    """A MariaDB that survives a power cut."""
    return start_mariadb(MARIADB)


def address(url: str) -> str:
    """The address of a PostgreSQL database for psycopg."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def clone(url: str, copy: str) -> str:
    """A copy of a PostgreSQL database under a name that is not there yet, by its URL; ends its connections."""
    name = make_url(url).database
    with psycopg.connect(address(database_url(url, "postgres")), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name}".encode())
    return database_url(url, copy)


def postgresql_bytes(url: str) -> int:
    """Bytes of all tables of a PostgreSQL database, indexes and out-of-line storage included."""
    with psycopg.connect(address(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"
        ).fetchone()
    return int(row[0]) if row else 0


def mariadb_bytes(url: str) -> int:
    """Bytes of all tables of a MariaDB database, indexes included. Source: InnoDB's own statistics."""
    parts = make_url(url)
    connection = pymysql.connect(host=parts.host or "", port=parts.port or 0, user=parts.username or "")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [parts.database]
        )
        names = [f"`{parts.database}`.`{name}`" for (name,) in cursor.fetchall()]
        cursor.execute(f"ANALYZE TABLE {', '.join(names)}")
        cursor.execute(
            "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = %s",
            [parts.database],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def sqlite_bytes(file: Path) -> int:
    """Bytes of the pages in use; those that became free are used again."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        used, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (used - free) * size
