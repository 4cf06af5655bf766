"""Secrets the program makes for itself and all its processes share."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from storage.database import Database
from storage.errors import DataRefused
from storage.sample import to_microseconds
from storage.tables_alarms import secret


class Secrets:
    """Secrets by name; the first process that needs one makes it, whoever that is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_or_create(self, name: str, fresh: bytes, now: datetime) -> bytes:
        """The secret kept under `name`, which becomes `fresh` when there is none yet.

        Raises DatabaseUnavailable.
        """
        kept = self._get(name)
        if kept is not None:
            return kept

        def work(connection: Connection) -> None:
            values = {"name": name, "value": fresh, "created_at": to_microseconds(now)}
            connection.execute(insert(secret).values(values))

        try:
            self._database.write_retrying(work)
        except DataRefused:  # another process was first
            kept = self._get(name)
            if kept is None:
                raise
            return kept
        return fresh

    def _get(self, name: str) -> bytes | None:
        with self._database.read() as connection:
            value = connection.scalar(select(secret.c.value).where(secret.c.name == name))
        return None if value is None else bytes(value)
