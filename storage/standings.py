"""How each outlet fares: what waits, what is wrong."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from storage.database import Database
from storage.errors import DataRefused
from storage.outgoing import ASIDE, ERROR_CHARACTERS, WAITS, key_of
from storage.sample import from_microseconds, to_microseconds
from storage.tables_outgoing import outgoing, outlet

OWED, STATE = outgoing.c, outlet.c


@dataclass(frozen=True, slots=True)
class Standing:
    """How an outlet fares: batches that wait and their bytes, when the oldest came, samples and events set aside.

    `error` is what the last attempt met, None when it worked; then `failing_since` is None, too. `dropped` counts
    samples and events that waited too long or were too many, ever. `reason` is one of those for which some are set
    aside.
    """

    name: str
    batches: int
    size: int
    oldest: datetime | None
    aside: int
    error: str | None
    failing_since: datetime | None
    dropped: int
    reason: str | None = None


class Standings:
    """The outlets by name; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str) -> None:
        """Makes an outlet known, if it is not yet."""
        statement = insert(outlet).values(outlet=key_of(name), name=name, dropped=0)
        with self._database.read() as connection:
            found = connection.scalar(select(STATE.outlet).where(STATE.outlet == key_of(name)))
        if found is None:
            with suppress(DataRefused):  # somebody else's row is there now
                self._database.write_retrying(lambda connection: connection.execute(statement))

    def failing(self, name: str, error: str, since: datetime) -> None:
        """Notes what keeps an outlet from delivering, and since when."""
        self._note(name, error=error[:ERROR_CHARACTERS], failing_since=to_microseconds(since))

    def working(self, name: str) -> None:
        """Notes that an outlet delivers again."""
        self._note(name, error=None, failing_since=None)

    def all(self) -> list[Standing]:
        """Every outlet that ever was, in order of the names."""
        owed = (
            select(
                OWED.outlet,
                func.sum(_if_waiting(1)).label("batches"),
                func.sum(_if_waiting(OWED.size)).label("size"),
                func.min(_if_waiting(OWED.at)).label("oldest"),
                func.sum(case((OWED.state == ASIDE, OWED.pieces))).label("aside"),
                func.max(case((OWED.state == ASIDE, OWED.reason))).label("reason"),
            )
            .group_by(OWED.outlet)
            .subquery()
        )
        columns = (outlet, owed.c.batches, owed.c.size, owed.c.oldest, owed.c.aside, owed.c.reason)
        statement = select(*columns).join(owed, owed.c.outlet == STATE.outlet, isouter=True)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        found = [
            Standing(
                row.name,
                int(row.batches or 0),
                int(row.size or 0),
                _moment(row.oldest),
                int(row.aside or 0),
                row.error,
                _moment(row.failing_since),
                row.dropped,
                row.reason,
            )
            for row in rows
        ]
        return sorted(found, key=lambda standing: standing.name)

    def forget(self, name: str) -> None:
        """Drops an outlet that is delivered to no more, with everything it is owed."""
        named = key_of(name)

        def work(connection: Connection) -> None:
            connection.execute(delete(outgoing).where(OWED.outlet == named))
            connection.execute(delete(outlet).where(STATE.outlet == named))

        self._database.write_retrying(work)

    def _note(self, name: str, **values: object) -> None:
        statement = update(outlet).where(STATE.outlet == key_of(name)).values(values)
        self._database.write_retrying(lambda connection: connection.execute(statement))


def _if_waiting(value: int | ColumnElement[int]) -> ColumnElement[int]:
    """The value, or NULL of a batch that was set aside; MariaDB has no FILTER."""
    return case((OWED.state == WAITS, value))


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
