"""Partitions of `hot`, some hours each: made before their time comes, dropped once all of it is sealed.

Dropping takes milliseconds and leaves no holes, where deleting takes as long as inserting. Rows of a time without a
partition are in `hot_rest`, so nothing is ever refused. SQLite has no partitions: there rows are deleted.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto

import structlog
from sqlalchemy.exc import DBAPIError

from storage import faults
from storage.database import Database
from storage.errors import StorageError
from storage.sample import to_microseconds
from storage.upkeep.partition_kinds import KINDS, SPAN, UNTIL, Partition
from storage.watermarks import HOUR

CHANGE_LIMIT_S = 30.0
GROUPS_A_SLICE = 4

# Somebody holds a lock longer than we wait, or did the same thing at the same time, or rows came: next time, then.
# https://www.postgresql.org/docs/current/errcodes-appendix.html and https://mariadb.com/kb/en/mariadb-error-codes/
BUSY = {"55P03", "40P01", "57014", 1205, 1213, 1969}  # lock, deadlock, time limit
OVERTAKEN = {"42P07", "42P17", "42710", "23505", "42809", "23514", "42P01", 1517, 1493, 1507, 1735}
FULL = {1114, 1021}  # no room: the other stages go on, and may make some
NOT_OURS = {"42501", 1142, 1044, 1227}  # the schema belongs to another user

log = structlog.get_logger()


class Outcome(Enum):
    """How an attempt to change partitions ended."""

    DONE = auto()
    LATER = auto()
    FORBIDDEN = auto()


class Partitions:
    """The partitions of `hot` in one database."""

    def __init__(self, database: Database) -> None:
        self.is_behind = False  # whether `make_ahead` could not make all that was missing
        self.is_held = False  # whether somebody was in the way of `drop_before`
        self.made_to = 0  # where what `make_ahead` found or wanted ends, microseconds since 1970 UTC
        self.next_end = 0  # the earliest end of what `drop_before` left; 0: some rows have no partition
        self._database = database
        self._kind = KINDS[database.engine.dialect.name]()

    def hours(self) -> list[Partition]:
        """The partitions there are, oldest first, `hot_rest` last; none on SQLite."""
        with self._database.read() as connection:
            return self._kind.find(connection)

    def make_ahead(self, now: datetime, hours: int = 3, *, length: int = SPAN) -> int:
        """Makes the partitions from now until in so many hours that are missing; returns how many it made.

        New ones are of this length where one may begin. One whose rows are in `hot_rest` already is never made; where
        somebody's lock is in the way, it is left to the next time. Many collectors may do this at once.
        """
        moment = to_microseconds(now)
        with self._database.read() as connection:
            there = self._kind.find(connection)
            missing, self.made_to = _missing(there, (moment, moment + hours * HOUR), length)
            steps = self._kind.steps(connection, there, missing) if there and missing else []
        made = 0
        for step in steps:
            if self._change(step.statements) is not Outcome.DONE:
                break
            made += step.made
        self.is_behind = bool(there) and made < len(missing)
        return made

    def drop_before(self, moment_us: int, *, only_whole: bool = False) -> int:
        """Removes the rows of `hot` before a moment (microseconds since 1970 UTC); returns how many partitions went.

        Whole partitions are dropped, unless a reader holds the table for longer than a second; the other rows are
        deleted in small transactions, but with `only_whole` those of a partition that goes on wait for its end. May be
        killed anywhere and repeated. Commits by itself: never call it within a transaction that writes what these rows
        became.
        """
        faults.reach("hot.drop")
        self.is_held = False
        there = self.hours() or [Partition("hot", None, None)]
        cut = [partition for partition in there if _is_cut(partition, moment_us)]
        if only_whole:
            cut = [one for one in cut if one.end is None or one.name.startswith(UNTIL)]
        ends = (partition.end for partition in there if partition.end is not None)
        self.next_end = min((end for end in ends if end > moment_us), default=0)
        dropped = 0
        for partition in there:
            if partition.end is not None and partition.end <= moment_us:
                match self._change(self._kind.drop(partition.name)):
                    case Outcome.DONE:
                        dropped += 1
                    case Outcome.FORBIDDEN:
                        self.is_held = True
                        cut.append(partition)
                    case Outcome.LATER:
                        self.is_held = True
                        break
        faults.reach("hot.dropped")
        for partition in cut:
            if self._delete_before(self._kind.place(partition.name), moment_us):
                self.next_end = 0
        return dropped

    def _delete_before(self, place: str, moment_us: int) -> bool:
        """Returns whether there was something to delete."""
        gids: Sequence[int] = [-1]
        some = False
        try:
            while gids:
                gids = self._delete_some(place, moment_us, gids[-1])
                some = some or bool(gids)
        except StorageError as error:
            if _code(error.__cause__) not in OVERTAKEN:  # it was dropped meanwhile
                raise
        return some

    def _delete_some(self, place: str, moment_us: int, after_gid: int) -> Sequence[int]:
        """Deletes what some groups have there; returns these groups."""
        with self._database.write() as connection:
            asked = f"SELECT DISTINCT gid FROM {place} WHERE gid > {after_gid} AND ts < {moment_us}"  # noqa: S608 - our names, integers
            rows = connection.exec_driver_sql(f"{asked} ORDER BY gid LIMIT {GROUPS_A_SLICE}")
            gids = [int(row.gid) for row in rows]
            if gids:
                listed = ", ".join(map(str, gids))
                gone = f"DELETE FROM {place} WHERE gid IN ({listed}) AND ts < {moment_us}"  # noqa: S608 - as above
                connection.exec_driver_sql(gone)
        return gids

    def _change(self, statements: Sequence[str]) -> Outcome:
        """Makes a change unless somebody is in the way, or has made it."""
        try:
            with self._database.write(limit_s=CHANGE_LIMIT_S) as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)
        except StorageError as error:
            code = _code(error.__cause__)
            if code in NOT_OURS:
                log.warning("partition_not_changed", reason=str(error), statement=statements[-1])
                return Outcome.FORBIDDEN
            if code in FULL:
                log.warning("partition_not_changed", reason=str(error), statement=statements[-1])
                return Outcome.LATER
            if code in BUSY | OVERTAKEN:
                log.info("partition_not_changed", reason=str(error), statement=statements[-1])
                return Outcome.LATER
            raise
        return Outcome.DONE


def _missing(
    there: Sequence[Partition], wanted: tuple[int, int], length: int
) -> tuple[list[tuple[int, int]], int]:
    """What partitions there are none of from one moment to the other, in pieces that may be made; and where it ends.

    The first partition of MariaDB has no beginning, as those before it are gone; that of older rows is none.
    """
    found = []
    at = wanted[0] // SPAN * SPAN
    bounds = [(one.start or 0, one.end) for one in there if one.end and not one.name.startswith(UNTIL)]
    while at <= wanted[1]:
        over = max((end for start, end in bounds if start <= at), default=at)
        if over <= at:
            follows = min((start for start, _ in bounds if start > at), default=at + length)
            fits = at % length == 0 and follows >= at + length
            over = at + (length if fits else SPAN)
            found.append((at, over))
        at = over
    return found, at


def _is_cut(partition: Partition, moment_us: int) -> bool:
    """Whether rows on both sides of the moment may be in it."""
    starts = partition.start is None or partition.start < moment_us
    return starts and (partition.end is None or partition.end > moment_us)


def _code(error: BaseException | None) -> str | int | None:
    """PostgreSQL's SQLSTATE or MariaDB's number."""
    if not isinstance(error, DBAPIError):
        return None
    number = next(iter(getattr(error.orig, "args", ())), None)
    state: str | None = getattr(error.orig, "sqlstate", None)
    return number if isinstance(number, int) else state
