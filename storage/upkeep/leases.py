"""Who does a piece of work, so that the others need not try.

A lease only spreads work: what it is about must come out right when two hold it at once.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from storage.database import Database
from storage.errors import DataRefused
from storage.sample import to_microseconds
from storage.tables_tiles import lease

BELIEVED_LENGTHS = 2  # a lease that ends later than so many lengths from now was made by a wrong clock


class Leases:
    """Rows of `lease`; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, now: datetime, length: timedelta) -> bool:
        """Whether `holder` has the lease until now + `length`: it had it, or nobody has it any more.

        Clocks may differ: whoever's is ahead takes over early, and a lease that ends implausibly late is not believed.
        """
        moment, until = to_microseconds(now), to_microseconds(now + length)
        latest = to_microseconds(now + BELIEVED_LENGTHS * length)
        with self._database.read() as connection:
            row = connection.execute(select(lease).where(lease.c.name == name)).one_or_none()
        if row is None:
            return self._begin(name, holder, until)
        if row.holder != holder and moment < row.until <= latest:
            return False
        if (row.holder, row.until) == (holder, until):  # MariaDB counts only rows that change
            return True
        statement = (
            update(lease)
            .where(lease.c.name == name, lease.c.holder == row.holder, lease.c.until == row.until)
            .values(holder=holder, until=until)
        )
        return self._database.write_retrying(lambda connection: connection.execute(statement).rowcount == 1)

    def release(self, name: str, holder: str) -> None:
        """Lets others begin at once; does nothing when `holder` has not got the lease."""
        statement = delete(lease).where(lease.c.name == name, lease.c.holder == holder)
        self._database.write_retrying(lambda connection: connection.execute(statement))

    def _begin(self, name: str, holder: str, until: int) -> bool:
        statement = insert(lease).values(name=name, holder=holder, until=until)
        try:
            self._database.write_retrying(lambda connection: connection.execute(statement))
        except DataRefused:  # somebody else's row is there now
            return False
        return True
