"""Fixtures of the whole house: real servers, each started when the first test asks for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.broker import RabbitMQ
from tests.databases import WithSchema, sqlite_with_schema
from tests.receiver import Receiver
from tests.servers import DatabaseServer, Missing, start_mariadb, start_postgresql

T = TypeVar("T")


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A running RabbitMQ; a test that stops it starts it again."""
    broker = installed(RabbitMQ)
    broker.start()
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """A running PostgreSQL; a test that stops it starts it again."""
    server = installed(start_postgresql)
    yield server
    server.close()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """A running MariaDB; a test that stops it starts it again."""
    server = installed(start_mariadb)
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh empty database on each server we support, by its URL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'nephometer.db'}"
        return
    server: DatabaseServer = request.getfixturevalue(request.param)
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture(scope="session")
def lenders() -> dict[str, WithSchema]:
    """Who lends databases with the schema, by the server's name."""
    return {}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def schema_url(request: pytest.FixtureRequest, tmp_path: Path, lenders: dict[str, WithSchema]) -> str:
    """A database with the schema and nothing in it on each server we support, by its URL."""
    kind: str = request.param
    if kind == "sqlite":
        return sqlite_with_schema(tmp_path)
    return lenders.setdefault(kind, WithSchema(request.getfixturevalue(kind))).lend()


@pytest.fixture
def database(schema_url: str) -> Iterator[Database]:
    """The same, open."""
    database = Database(DatabaseSettings(url=schema_url))
    yield database
    database.dispose()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver that answers 204 until told otherwise."""
    with Receiver() as receiver:
        yield receiver


def installed(make: Callable[[], T]) -> T:
    """What `make` makes; without its package the test is skipped, but fails in CI."""
    try:
        return make()
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
