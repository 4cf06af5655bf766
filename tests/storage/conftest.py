from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.settings import DatabaseSettings


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of every kind in turn, with the schema of this program."""
    database = Database(DatabaseSettings(url=database_url))
    upgrade(database)
    yield database
    database.dispose()
