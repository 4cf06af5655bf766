from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings


@pytest.fixture
def database(schema_url: str) -> Iterator[Database]:
    """A database of every kind in turn, with the schema of this program."""
    database = Database(DatabaseSettings(url=schema_url))
    yield database
    database.dispose()
