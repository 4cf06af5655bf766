"""What the roles of one process share, and what they must not."""

from collections.abc import MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from cli.maintenance import warn_of_weaknesses
from cli.parts import Server
from cli.settings import Settings
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.settings import DatabaseSettings
from tests.databases import sqlite_with_schema
from tests.factories import NOW, sample
from tests.servers import DatabaseServer

IN_USE = 1000  # more connections than any pool has


def server(url: str) -> Server:
    return Server.of(Settings(database=DatabaseSettings(url=url, timeout_s=0.2)))


def test_samples_are_stored_while_questions_hold_every_connection_they_may_have(schema_url: str) -> None:
    roles = server(schema_url)
    with ExitStack() as questions:
        with pytest.raises(DatabaseUnavailable):
            _take_all(roles.database, questions)

        refused = roles.pipeline.accept([sample()], origin="api", now=NOW)

    assert refused == []
    roles.database.dispose()
    roles.intake.dispose()


def test_the_log_says_when_the_server_may_lose_what_it_commits(postgresql: DatabaseServer) -> None:
    url = postgresql.create_database()  # on a server that does not wait for its disk

    assert [entry["settings"]["fsync"] for entry in _said_at_start(url)] == ["off"]


def test_a_server_that_keeps_its_commits_needs_no_word(tmp_path: Path) -> None:
    assert _said_at_start(sqlite_with_schema(tmp_path)) == []


def _said_at_start(url: str) -> list[MutableMapping[str, Any]]:
    database = Database(DatabaseSettings(url=url))
    with capture_logs() as logs:
        warn_of_weaknesses(database)
    database.dispose()
    return [entry for entry in logs if entry["event"] == "durability_reduced"]


def _take_all(database: Database, questions: ExitStack) -> None:
    """Every connection there is, until the next one is refused."""
    for _ in range(IN_USE):
        questions.enter_context(database.read())
