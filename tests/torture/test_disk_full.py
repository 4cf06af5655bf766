"""A disk without room: nothing is acknowledged, nothing is lost, and all goes on when there is room again.

SQLite is bounded in pages, MariaDB by one file that may not grow on, PostgreSQL by a small file system, which only
root can make.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from storage.errors import DatabaseUnavailable
from tests.databases import sqlite_with_schema
from tests.servers import DatabaseServer, start_mariadb
from tests.torture.conftest import migrated
from tests.torture.store import Store, ticks

ROOM_MB = 17
ROWS = 1500
MARIADB_MB = 22
BATCHES_MAX = 200
REFUSALS = 3
PATIENCE_S = 30


def fill(store: Store) -> int:
    """Tells it batches until there is no room; returns the number of the one that was not taken.

    That is one which is refused some times over: what InnoDB gives back of a batch it refused may do for the next try.
    """
    number = refused = 0
    while refused < REFUSALS:
        assert number < BATCHES_MAX, "there was room for everything"
        try:
            store.tell(ticks(number, ROWS))
        except DatabaseUnavailable:
            refused += 1
        else:
            number, refused = number + 1, 0
    return number


def survives(store: Store, make_room: Callable[[], None]) -> None:
    """Given a store on a disk that gets full, when it is full and later is not, then it is right all the while."""
    number = fill(store)
    with suppress(DatabaseUnavailable):  # sealing may make room, or want some
        store.maintain()
    with suppress(DatabaseUnavailable):  # PostgreSQL sorts on disk: no answer is not a wrong one
        assert store.is_right()

    make_room()
    taken_again(store, number)
    store.maintain()
    assert store.is_right()


def taken_again(store: Store, number: int) -> None:
    """Tells a batch until it is taken, as a collector does."""
    patiently(lambda: store.tell(ticks(number, ROWS)))


def patiently(act: Callable[[], object]) -> None:
    """Does it until there is room for it: InnoDB gives room back some time after whatever needed it went."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            act()
        except DatabaseUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def test_sqlite_goes_on_when_its_disk_has_room_again(tmp_path: Path) -> None:
    store = Store(sqlite_with_schema(tmp_path))
    pages = 250

    @event.listens_for(store.database.engine, "begin")
    def bound(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def make_room() -> None:
        nonlocal pages
        pages = 10**6

    survives(store, make_room)
    store.database.dispose()


@pytest.fixture(scope="module")
def small_mariadb() -> Iterator[DatabaseServer]:
    """All tables in one file that ends at MARIADB_MB."""
    options = (
        "--innodb-file-per-table=0",
        f"--innodb-data-file-path=ibdata1:12M:autoextend:max:{MARIADB_MB}M",
    )
    server = start_mariadb(options)
    yield server
    server.close()


def test_mariadb_goes_on_when_its_disk_has_room_again(small_mariadb: DatabaseServer) -> None:
    store = Store(migrated(small_mariadb.create_database()))
    with store.database.write() as connection:
        connection.execute(text("CREATE TABLE ballast (body LONGBLOB)"))
        connection.execute(text("INSERT INTO ballast VALUES (REPEAT('x', 5000000))"))

    def drop() -> None:
        with store.database.write() as connection:
            connection.execute(text("DROP TABLE IF EXISTS ballast"))

    changed: list[str] = []

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith(("ALTER TABLE hot", "INSERT INTO late (gid")):
            changed.append(statement[:6])

    def make_room() -> None:
        assert changed == ["INSERT"]  # room was to be shown; a change that finds none would lose the table
        patiently(drop)  # to drop a table, InnoDB wants some room itself

    survives(store, make_room)
    store.database.dispose()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of ROOM_MB."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_postgresql_goes_on_when_its_disk_has_room_again(postgresql: DatabaseServer, tmp_path: Path) -> None:
    outside = Path("/tmp") / f"nephometer-small-{os.getpid()}"
    with small_disk(outside) as disk:
        shutil.chown(disk, "postgres", "postgres")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(8 << 20))
        plain = Store(postgresql.create_database())
        with plain.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
            connection.execute(text("CREATE DATABASE small TABLESPACE small"))
        store = Store(migrated(f"{postgresql.url}/small"))

        survives(store, ballast.unlink)

        store.database.dispose()
        with plain.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("DROP DATABASE small"))
            connection.execute(text("DROP TABLESPACE small"))
        plain.database.dispose()
