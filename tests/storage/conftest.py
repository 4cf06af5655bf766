from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.samples import Samples
from storage.settings import DatabaseSettings, RetentionSettings
from tests.databases import WithSchema
from tests.factories import NOW
from tests.storage.aging import DAY, MIDNIGHT, days, maintain


@pytest.fixture
def filled(database: Database) -> Database:
    """Five days of samples until this morning, all of it in day tiles but the last."""
    samples = days(MIDNIGHT - 5 * DAY, 5)
    Samples(database).store(samples, received_at=NOW)
    maintain(database, RetentionSettings())
    return database


@pytest.fixture
def postgres(request: pytest.FixtureRequest, lenders: dict[str, WithSchema]) -> Iterator[Database]:
    """A database of PostgreSQL with the schema of this program."""
    schema = lenders.setdefault("postgresql", WithSchema(request.getfixturevalue("postgresql")))
    database = Database(DatabaseSettings(url=schema.lend()))
    yield database
    database.dispose()
