"""Databases with the schema and nothing in them, made once for a process of the tests and then emptied.

A migration takes up to a second on a server and is tested by itself; emptying takes milliseconds.
"""

import functools
import tempfile
from pathlib import Path

from sqlalchemy import delete, update

from storage.database import Database
from storage.errors import StorageError
from storage.migrate import upgrade
from storage.schema import metadata
from storage.settings import DatabaseSettings
from storage.tables import id_counter
from storage.tables_tiles import watermark
from storage.upkeep.partitions import Partitions
from tests.servers import DatabaseServer

END_OF_TIME = 2**62  # microseconds


def sqlite_with_schema(folder: Path) -> str:
    """An SQLite database in this folder, by its URL."""
    file = folder / "nephometer.db"
    file.write_bytes(_sqlite_file())
    return f"sqlite:///{file}"


class WithSchema:
    """Lends one database of a server after another test, emptied; another one when it cannot be emptied."""

    def __init__(self, server: DatabaseServer) -> None:
        self._server = server
        self._url: str | None = None

    def lend(self) -> str:
        """A database that nobody else has now, by its URL."""
        if self._url is None or not _is_emptied(self._url):
            self._url = self._server.create_database()
            _migrate(self._url)
            _drop_partitions(self._url)
        return self._url


@functools.cache
def _sqlite_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nephometer.db"
        _migrate(f"sqlite:///{file}")
        return file.read_bytes()


def _migrate(url: str) -> None:
    database = Database(DatabaseSettings(url=url))
    upgrade(database)
    database.dispose()


def _drop_partitions(url: str) -> None:
    """Tests live at a time of their own: what hours there are must not depend on the clock or other tests."""
    database = Database(DatabaseSettings(url=url))
    Partitions(database).drop_before(END_OF_TIME)
    database.dispose()


def _is_emptied(url: str) -> bool:
    """Whether every row is gone and the counters begin anew; not so when a test left a transaction open."""
    database = Database(DatabaseSettings(url=url))
    try:
        Partitions(database).drop_before(END_OF_TIME)
        if len(Partitions(database).hours()) > 1:
            return False
        with database.write(limit_s=5) as connection:
            for table in metadata.sorted_tables:
                if table not in (id_counter, watermark):
                    connection.execute(delete(table))
            connection.execute(update(id_counter).values(value=0))
            connection.execute(update(watermark).values(at=0))
    except StorageError:
        return False
    finally:
        database.dispose()
    return True
