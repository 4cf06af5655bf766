"""Partitions of `hot` by the hour: made before their hour comes, dropped once it is sealed.

Dropping takes milliseconds and leaves no holes, where deleting takes as long as inserting. Rows of an hour without a
partition are in `hot_rest`, so nothing is ever refused. SQLite has no partitions: there rows are deleted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from storage import faults
from storage.database import Database
from storage.errors import StorageError
from storage.sample import from_microseconds, to_microseconds
from storage.watermarks import HOUR

REST = "hot_rest"
LOCK_WAIT_S = 1
CHANGE_LIMIT_S = 30.0
MOVED_ROWS_MAX = 500_000  # MariaDB copies them while writers wait: a few seconds
GROUPS_A_SLICE = 4

# Somebody holds a lock longer than we wait, or did the same thing at the same time, or rows came: next time, then.
# https://www.postgresql.org/docs/current/errcodes-appendix.html and https://mariadb.com/kb/en/mariadb-error-codes/
BUSY = {"55P03", "40P01", "57014", 1205, 1213, 1969}  # lock, deadlock, time limit
OVERTAKEN = {"42P07", "42710", "23505", "42809", "23514", "42P01", 1517, 1493, 1507, 1735}
NOT_OURS = {"42501", 1142, 1044, 1227}  # the schema belongs to another user

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows from `start` to before `end`, microseconds since 1970 UTC; None: no bound."""

    name: str
    start: int | None
    end: int | None


class Partitions:
    """The partitions of `hot` in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kind = KINDS[database.engine.dialect.name]()

    def hours(self) -> list[Partition]:
        """The partitions there are, oldest first, `hot_rest` last; none on SQLite."""
        with self._database.read() as connection:
            return self._kind.find(connection)

    def make_ahead(self, now: datetime, hours: int = 3) -> int:
        """Makes the partitions of this hour and the coming ones that are missing; returns how many it made.

        An hour whose rows are in `hot_rest` already stays without one; where somebody's lock is in the way, it is
        left to the next time. Many collectors may do this at once.
        """
        first = to_microseconds(now) // HOUR * HOUR
        wanted = [first + number * HOUR for number in range(hours + 1)]
        with self._database.read() as connection:
            there = self._kind.find(connection)
            steps = self._kind.steps(connection, there, wanted) if there else []
        made = 0
        for step in steps:
            if not self._change(step.statements):
                break
            made += step.made
        return made

    def drop_before(self, moment_us: int) -> int:
        """Removes the rows of `hot` before a moment (microseconds since 1970 UTC); returns how many partitions went.

        Whole partitions are dropped, unless a reader holds the table for longer than a second; the other rows are
        deleted in small transactions. May be killed anywhere and repeated. Commits by itself: never call it within
        a transaction that writes what these rows became.
        """
        faults.reach("hot.drop")
        dropped = 0
        there = self.hours()
        for partition in there:
            if partition.end is not None and partition.end <= moment_us:
                if not self._change(self._kind.drop(partition.name)):
                    break
                dropped += 1
        faults.reach("hot.dropped")
        for place in self._kind.places_before(there, moment_us):
            try:
                self._delete_before(place, moment_us)
            except StorageError as error:
                if _code(error.__cause__) not in OVERTAKEN:  # it was dropped meanwhile
                    raise
        return dropped

    def _delete_before(self, place: str, moment_us: int) -> None:
        gids: Sequence[int] = [-1]
        while gids:
            with self._database.write() as connection:
                slice_ = f"SELECT DISTINCT gid FROM {place} WHERE gid > {gids[-1]} AND ts < {moment_us}"  # noqa: S608 - our names, integers
                rows = connection.exec_driver_sql(f"{slice_} ORDER BY gid LIMIT {GROUPS_A_SLICE}")
                gids = [int(row.gid) for row in rows]
                if gids:
                    listed = ", ".join(map(str, gids))
                    connection.exec_driver_sql(
                        f"DELETE FROM {place} WHERE gid IN ({listed}) AND ts < {moment_us}"  # noqa: S608 - as above
                    )

    def _change(self, statements: Sequence[str]) -> bool:
        """Whether the change was made; not so when somebody else is in the way, or has made it."""
        try:
            with self._database.write(limit_s=CHANGE_LIMIT_S) as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)
        except StorageError as error:
            code = _code(error.__cause__)
            if code in NOT_OURS:
                log.warning("partition_not_changed", reason=str(error), statement=statements[-1])
            elif code in BUSY | OVERTAKEN:
                log.info("partition_not_changed", reason=str(error), statement=statements[-1])
            else:
                raise
            return False
        return True


@dataclass(frozen=True, slots=True)
class Step:
    """Statements of one transaction that make so many partitions."""

    made: int
    statements: Sequence[str]


class Kind(Protocol):
    """How a database does it."""

    def find(self, connection: Connection) -> list[Partition]:
        """The partitions, oldest first, `hot_rest` last."""

    def steps(self, connection: Connection, there: Sequence[Partition], hours: Sequence[int]) -> list[Step]:
        """What makes partitions of these consecutive hours (their beginnings) as far as it can be done now."""

    def drop(self, name: str) -> Sequence[str]:
        """What drops one partition."""

    def places_before(self, there: Sequence[Partition], moment_us: int) -> list[str]:
        """What to delete from once whole partitions are gone, as it stands after FROM."""


class PostgreSQL:
    """Attaching locks only `hot_rest`, so that writers of other hours go on; dropping locks all of `hot`."""

    def find(self, connection: Connection) -> list[Partition]:
        """Bounds read as the server prints them."""
        rows = connection.exec_driver_sql(
            "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bound FROM pg_inherits"
            " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'hot'::regclass"
        ).all()
        found = [Partition(row.relname, *_bounds(row.bound)) for row in rows if row.bound]
        return sorted(found, key=lambda partition: (partition.start is None, partition.start))

    def steps(self, connection: Connection, there: Sequence[Partition], hours: Sequence[int]) -> list[Step]:
        """A transaction for each hour that has neither a partition nor rows."""
        made = {partition.start for partition in there}
        missing = [hour for hour in hours if hour not in made]
        if not missing:
            return []
        begun = connection.exec_driver_sql(
            f"SELECT DISTINCT ts / {HOUR} * {HOUR} AS hour FROM {REST}"  # noqa: S608 - our names, integers
            f" WHERE ts >= {missing[0]} AND ts < {missing[-1] + HOUR}"
        )
        taken = {int(row.hour) for row in begun}
        return [Step(1, self._make(hour)) for hour in missing if hour not in taken]

    def drop(self, name: str) -> Sequence[str]:
        """Waits a second for its locks."""
        return (f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'", f"DROP TABLE IF EXISTS {name}")

    def places_before(self, there: Sequence[Partition], moment_us: int) -> list[str]:
        """Each partition is a table."""
        return [partition.name for partition in there if _is_cut(partition, moment_us)]

    def _make(self, hour: int) -> Sequence[str]:
        name = _name(hour)
        return (
            f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'",
            f"CREATE TABLE {name} (LIKE hot INCLUDING ALL)",
            f"ALTER TABLE hot ATTACH PARTITION {name} FOR VALUES FROM ({hour}) TO ({hour + HOUR})",
        )


class MariaDB:
    """Partitions follow each other without gaps: new ones are split from `hot_rest`, which should be empty."""

    def find(self, connection: Connection) -> list[Partition]:
        """Each begins where the one before it ends."""
        rows = connection.exec_driver_sql(
            "SELECT partition_name AS name, partition_description AS bound FROM information_schema.partitions"
            " WHERE table_schema = DATABASE() AND table_name = 'hot' AND partition_name IS NOT NULL"
            " ORDER BY partition_ordinal_position"
        ).all()
        found: list[Partition] = []
        for row in rows:
            end = None if row.bound == "MAXVALUE" else int(row.bound)
            found.append(Partition(row.name, found[-1].end if found else None, end))
        return found

    def steps(self, connection: Connection, there: Sequence[Partition], hours: Sequence[int]) -> list[Step]:
        """One statement; none while `hot_rest` has more rows than can be copied in passing."""
        begin = there[-1].start
        missing = [hour for hour in hours if begin is None or hour >= begin]
        if not missing:
            return []
        some = f"SELECT 1 FROM hot PARTITION ({REST}) LIMIT {MOVED_ROWS_MAX + 1}"  # noqa: S608 - our names, integers
        if connection.exec_driver_sql(f"SELECT count(*) FROM ({some}) few").scalar_one() > MOVED_ROWS_MAX:  # noqa: S608 - as above
            log.warning("partition_rest_is_large", rows_more_than=MOVED_ROWS_MAX)
            return []
        ends = {_name(hour): str(hour + HOUR) for hour in missing}
        if begin != missing[0]:
            ends = {_name(missing[0], "hot_until_"): str(missing[0])} | ends
        ends[REST] = "MAXVALUE"
        pieces = ", ".join(f"PARTITION {name} VALUES LESS THAN ({end})" for name, end in ends.items())
        return [
            Step(
                len(missing),
                [f"ALTER TABLE hot WAIT {LOCK_WAIT_S} REORGANIZE PARTITION {REST} INTO ({pieces})"],
            )
        ]

    def drop(self, name: str) -> Sequence[str]:
        """Commits whatever went before it."""
        return (f"ALTER TABLE hot WAIT {LOCK_WAIT_S} DROP PARTITION IF EXISTS {name}",)

    def places_before(self, there: Sequence[Partition], moment_us: int) -> list[str]:
        """A table can be deleted from by partition."""
        return [f"hot PARTITION ({partition.name})" for partition in there if _is_cut(partition, moment_us)]


class SQLite:
    """One table."""

    def find(self, connection: Connection) -> list[Partition]:  # noqa: ARG002 - there are none
        """None."""
        return []

    def steps(self, connection: Connection, there: Sequence[Partition], hours: Sequence[int]) -> list[Step]:  # noqa: ARG002 - as above
        """Nothing to do."""
        return []

    def drop(self, name: str) -> Sequence[str]:  # noqa: ARG002 - as above
        """Nothing to do."""
        return ()

    def places_before(self, there: Sequence[Partition], moment_us: int) -> list[str]:  # noqa: ARG002 - as above
        """All of it."""
        return ["hot"]


KINDS: dict[str, type[Kind]] = {
    "sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB
}  # fmt: skip


def _is_cut(partition: Partition, moment_us: int) -> bool:
    """Whether rows on both sides of the moment may be in it."""
    starts = partition.start is None or partition.start < moment_us
    return starts and (partition.end is None or partition.end > moment_us)


def _name(hour: int, before: str = "hot_") -> str:
    return f"{before}{from_microseconds(hour).astimezone(UTC):%Y%m%d%H}"


def _bounds(bound: str) -> tuple[int | None, int | None]:
    """`FOR VALUES FROM ('1') TO ('2')`, or `DEFAULT`."""
    numbers = [int(number) for number in re.findall(r"-?\d+", bound)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (None, None)


def _code(error: BaseException | None) -> str | int | None:
    """PostgreSQL's SQLSTATE or MariaDB's number."""
    if not isinstance(error, DBAPIError):
        return None
    number = next(iter(getattr(error.orig, "args", ())), None)
    state: str | None = getattr(error.orig, "sqlstate", None)
    return number if isinstance(number, int) else state
