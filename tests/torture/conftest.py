"""Databases of servers that tests may maltreat."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.settings import DatabaseSettings
from tests.databases import WithSchema
from tests.servers import DatabaseServer


@dataclass(frozen=True, slots=True)
class Served:
    """A database with the schema, and its server."""

    server: DatabaseServer
    url: str


@pytest.fixture(params=["postgresql", "mariadb"])
def served(request: pytest.FixtureRequest, lenders: dict[str, WithSchema]) -> Iterator[Served]:
    """On each server there is; it runs again when the test is over."""
    kind: str = request.param
    server: DatabaseServer = request.getfixturevalue(kind)
    yield Served(server, lenders.setdefault(kind, WithSchema(server)).lend())
    server.start()


def migrated(url: str) -> str:
    """The database of this address, with the schema."""
    database = Database(DatabaseSettings(url=url))
    upgrade(database)
    database.dispose()
    return url
