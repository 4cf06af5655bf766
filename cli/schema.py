"""Waiting until the database is there and has the schema this program needs."""

import threading
from collections.abc import Callable

import structlog

from cli.process import Part
from storage.database import Database
from storage.errors import DatabaseUnavailable, SchemaMismatch, StorageError
from storage.revision import state

log = structlog.get_logger()

LOOK_EVERY_S = 2.0


def when_ready(part: Part, database: Database) -> Part:
    """The part, begun only when the database answers and its schema is current."""

    def run(stop: threading.Event) -> None:
        if wait(database, stop, part.name):
            part.run(stop)

    return Part(part.name, run)


def wait(database: Database, stop: threading.Event, name: str) -> bool:
    """Returns True when the schema is current, False when `stop` came first; says once why it waits."""
    said = ""
    while not stop.is_set():
        reason = missing(database)
        if reason is None:
            if said:
                log.info("database_ready", part=name)
            return True
        if reason != said:
            log.warning("waiting_for_database", part=name, reason=reason)
            said = reason
        stop.wait(LOOK_EVERY_S)
    return False


def missing(database: Database) -> str | None:
    """Why this program cannot work with the database now, or None."""
    try:
        found = state(database)
    except (DatabaseUnavailable, SchemaMismatch) as error:
        return str(error)
    if found.is_current:
        return None
    return (
        f"the schema is at revision {found.current or 'none'}, not {found.head}: run `nephometer db upgrade`"
    )


class DatabaseCheck:
    """The database answers."""

    name = "database"

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> str | None:
        """The driver's words when it does not."""
        try:
            self._database.ping()
        except StorageError as error:
            return str(error)
        return None


class SchemaCheck:
    """The schema is the one this program needs."""

    name = "schema"

    def __init__(self, database: Database) -> None:
        self._find: Callable[[], str | None] = lambda: missing(database)

    def check(self) -> str | None:
        """What is wrong with it."""
        try:
            return self._find()
        except StorageError as error:
            return str(error)
