from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings
from storage.upkeep.leases import Leases
from tests.broker import RabbitMQ
from tests.collector.factories import StubPublisher
from tests.databases import sqlite_with_schema


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    """A broker that nobody has touched, by its URL."""
    return rabbitmq.create_vhost()


@pytest.fixture
def keeper() -> StubPublisher:
    """What stands in for the keeper."""
    return StubPublisher()


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    """Those of an SQLite database."""
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    yield Leases(database)
    database.dispose()
