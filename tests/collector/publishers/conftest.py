from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.collector.publishers.stubs import Clock
from tests.databases import sqlite_with_schema


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """An SQLite database with the schema; tests of the queue itself run on every server."""
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    yield database
    database.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()
