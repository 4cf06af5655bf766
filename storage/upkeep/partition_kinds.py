"""How each database makes, finds and drops the partitions of `hot`: statements for `storage.upkeep.partitions`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Protocol

import structlog
from sqlalchemy import Connection

from storage.sample import from_microseconds
from storage.watermarks import BLOCK, HOUR

REST, UNTIL = "hot_rest", "hot_until_"
# Of a partition: to make and drop one costs PostgreSQL as much as to store 2000 samples; LONG where few rows come.
SPAN, LONG = BLOCK, 12 * HOUR
LOCK_WAIT_S = 1
MOVED_ROWS_MAX = 500_000  # MariaDB copies them while writers wait: a few seconds

# MariaDB: of a row on its way and of a new partition more than they take; and of a row that only shows there is room.
ROW_BYTES, PARTITION_BYTES, PROOF_BYTES = 256, 512 << 10, 4000

Range = tuple[int, int]  # from, to before: microseconds since 1970 UTC

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows from `start` to before `end`, microseconds since 1970 UTC; None: no bound."""

    name: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """Statements of one transaction that make so many partitions."""

    made: int
    statements: Sequence[str]


class Kind(Protocol):
    """How a database does it."""

    def find(self, connection: Connection, /) -> list[Partition]:
        """The partitions, oldest first, `hot_rest` last."""

    def steps(
        self, connection: Connection, there: Sequence[Partition], gaps: Sequence[Range], /
    ) -> list[Step]:
        """What makes partitions of these times, earliest first, as far as it can be done now."""

    def drop(self, name: str, /) -> Sequence[str]:
        """What drops one partition."""

    def place(self, name: str) -> str:
        """What stands after FROM to mean one partition."""


class PostgreSQL:
    """Attaching locks only `hot_rest`, so that writers of other times go on; dropping locks all of `hot`."""

    def find(self, connection: Connection) -> list[Partition]:
        """Bounds read as the server prints them."""
        rows = connection.exec_driver_sql(
            "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bound FROM pg_inherits"
            " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'hot'::regclass"
        ).all()
        found = [Partition(row.relname, *_bounds(row.bound)) for row in rows if row.bound]
        return sorted(found, key=lambda partition: (partition.start is None, partition.start))

    def steps(self, connection: Connection, _there: Sequence[Partition], gaps: Sequence[Range]) -> list[Step]:
        """A transaction for each partition that has no rows in `hot_rest`; of a long one that has, its other parts."""
        begun = connection.exec_driver_sql(
            f"SELECT DISTINCT ts / {SPAN} * {SPAN} AS start FROM {REST}"  # noqa: S608 - our names, integers
            f" WHERE ts >= {gaps[0][0]} AND ts < {gaps[-1][1]}"
        )
        taken = {int(row.start) for row in begun}
        parts: list[Range] = []
        for start, end in gaps:
            short = [(one, one + SPAN) for one in range(start, end, SPAN) if one not in taken]
            parts += [(start, end)] if len(short) == (end - start) // SPAN else short
        return [Step(1, self._make(*part)) for part in parts]

    def drop(self, name: str) -> Sequence[str]:
        """Waits a second for its locks. One round trip."""
        return (f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'; DROP TABLE IF EXISTS {name}",)

    def place(self, name: str) -> str:
        """Each partition is a table."""
        return name

    def _make(self, start: int, end: int) -> Sequence[str]:
        name = _name(start)
        return (
            f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'; CREATE TABLE {name} (LIKE hot INCLUDING ALL);"
            f" ALTER TABLE hot ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})",
        )


class MariaDB:
    """Partitions follow each other without gaps: new ones are split from `hot_rest`, which should be empty.

    A change of partitions that finds no room leaves a table that MariaDB 10.11 does not open any more. So before each
    something is written that needs more room than it, and not kept: where that is refused, nothing is changed.
    """

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

    def steps(self, connection: Connection, there: Sequence[Partition], gaps: Sequence[Range]) -> list[Step]:
        """One statement; none while `hot_rest` has more rows than can be copied in passing.

        Where nothing was made yet, the partition of older rows is split, too: what comes first may be of the past.
        """
        begin, split = there[-1].start, [REST]
        is_first = len(there) == 2 and there[0].name.startswith(UNTIL) and gaps[0][0] < (begin or 0)
        if is_first and self._rows(connection, there[0].name) <= MOVED_ROWS_MAX:
            begin, split = None, [there[0].name, REST]
        new = [one for one in gaps if begin is None or one[0] >= begin]
        if not new:
            return []
        moved = sum(self._rows(connection, name) for name in split)
        if moved > MOVED_ROWS_MAX:
            log.warning("partition_rest_is_large", rows_more_than=MOVED_ROWS_MAX)
            return []
        ends = {_name(start): str(end) for start, end in new}
        if begin != new[0][0]:
            ends = {_name(new[0][0], UNTIL): str(new[0][0])} | ends
        ends[REST] = "MAXVALUE"
        pieces = ", ".join(f"PARTITION {name} VALUES LESS THAN ({end})" for name, end in ends.items())
        return [
            Step(
                len(new),
                [
                    *_proof_of_room(moved * ROW_BYTES + len(ends) * PARTITION_BYTES),
                    f"ALTER TABLE hot WAIT {LOCK_WAIT_S} REORGANIZE PARTITION {', '.join(split)} INTO ({pieces})",
                ],
            )
        ]

    def _rows(self, connection: Connection, name: str) -> int:
        """How many are in a partition, at most one more than can be copied in passing."""
        some = f"SELECT 1 FROM hot PARTITION ({name}) LIMIT {MOVED_ROWS_MAX + 1}"  # noqa: S608 - our names, integers
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM ({some}) few").scalar_one())  # noqa: S608 - as above

    def drop(self, name: str) -> Sequence[str]:
        """Commits whatever went before it."""
        return (
            *_proof_of_room(PARTITION_BYTES),
            f"ALTER TABLE hot WAIT {LOCK_WAIT_S} DROP PARTITION IF EXISTS {name}",
        )

    def place(self, name: str) -> str:
        """A table can be asked by partition."""
        return f"hot PARTITION ({name})"


class SQLite:
    """One table."""

    def find(self, _connection: Connection) -> list[Partition]:
        """None."""
        return []

    def steps(
        self, _connection: Connection, _there: Sequence[Partition], _gaps: Sequence[Range]
    ) -> list[Step]:
        """Nothing to do."""
        return []

    def drop(self, _name: str) -> Sequence[str]:
        """Nothing to do."""
        return ()

    def place(self, name: str) -> str:
        """The table."""
        return name


KINDS: dict[str, type[Kind]] = {
    "sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB
}  # fmt: skip


def _proof_of_room(size: int) -> tuple[str, str]:
    """Statements that fail unless so many bytes more can be written. (A long value without room ends MariaDB 10.11.)"""
    rows = ", ".join(
        f"(-1, {number}, 0, 0, 0, 0, REPEAT('x', {PROOF_BYTES}))" for number in range(-(-size // PROOF_BYTES))
    )
    return f"INSERT INTO late (gid, rid, ts, part, ver, recv, vals) VALUES {rows}", "ROLLBACK"  # noqa: S608 - numbers of ours


def _name(start: int, before: str = "hot_") -> str:
    return f"{before}{from_microseconds(start).astimezone(UTC):%Y%m%d%H}"


def _bounds(bound: str) -> tuple[int | None, int | None]:
    """`FOR VALUES FROM ('1') TO ('2')`, or `DEFAULT`."""
    numbers = [int(number) for number in re.findall(r"-?\d+", bound)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (None, None)
