"""What tables take on disk, and what is free there."""

import ipaddress
import shutil
from pathlib import Path

from sqlalchemy import URL, Connection, text

from storage.database import Database

# Indexes, oversized values and partitions are counted with their table.
_SQLITE = text(
    "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_master USING (name) WHERE aggregate = TRUE GROUP BY 1"
)
_SQLITE_WHOLE = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
_SQLITE_KNOWS = text("SELECT count(*) FROM pragma_module_list WHERE name = 'dbstat'")
_MARIADB = text(
    "SELECT table_name, data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND data_length IS NOT NULL"
)
_POSTGRESQL = text(
    "SELECT coalesce(parent.relname, own.relname), CAST(sum(pg_total_relation_size(own.oid)) AS bigint)"
    " FROM pg_class own LEFT JOIN pg_inherits ON inhrelid = own.oid LEFT JOIN pg_class parent ON parent.oid = inhparent"
    " WHERE own.relkind = 'r' AND own.relnamespace = CAST(current_schema() AS regnamespace) GROUP BY 1"
)
_IS_CITUS = text("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")
_CITUS = text(
    "SELECT table_name::text, citus_total_relation_size(table_name) FROM citus_tables"
    " WHERE citus_table_type IN ('distributed', 'reference')"
    " AND table_name NOT IN (SELECT CAST(inhrelid AS regclass) FROM pg_inherits)"
)
_FOLDERS = {
    "postgresql": text("SELECT setting FROM pg_settings WHERE name = 'data_directory'"),
    "mysql": text("SELECT @@datadir"),
    "mariadb": text("SELECT @@datadir"),
}
UNKNOWN = ""


def table_bytes(connection: Connection) -> dict[str, int]:
    """Bytes of each table by its name; what cannot be told apart is under UNKNOWN."""
    match connection.dialect.name:
        case "postgresql":
            statements = [_POSTGRESQL]
            if connection.execute(_IS_CITUS).scalar_one():
                statements.append(_CITUS)  # of all nodes: counts more than what the coordinator has
        case "sqlite":
            if not connection.execute(_SQLITE_KNOWS).scalar_one():
                return {UNKNOWN: int(connection.execute(_SQLITE_WHOLE).scalar_one())}
            statements = [_SQLITE]
        case _:
            statements = [_MARIADB]
    return {str(name): int(size) for statement in statements for name, size in connection.execute(statement)}


def is_lagging(database: Database) -> bool:
    """Whether `table_bytes` are figures of a while ago: MariaDB counts anew after a tenth of a table has changed."""
    return database.engine.dialect.name in ("mysql", "mariadb")


def free_bytes(database: Database) -> int | None:
    """Bytes free on the file system the database grows on; None when it is not on this machine."""
    folder = _folder(database)
    if folder is None:
        return None
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # a folder of another machine, or one that may not be looked at
        return None


def _folder(database: Database) -> Path | None:
    url, kind = database.engine.url, database.engine.dialect.name
    if kind == "sqlite":
        return Path(url.database).parent if url.database and url.database != ":memory:" else None
    if not is_here(url):
        return None
    with database.read() as connection:
        folder = connection.execute(_FOLDERS[kind]).scalar()  # PostgreSQL does not tell it to everybody
    return Path(str(folder)) if folder else None


def is_here(url: URL) -> bool:
    """Whether the address of a server is a socket or a loopback address of this machine."""
    host = url.host or str(url.query.get("host", ""))
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
