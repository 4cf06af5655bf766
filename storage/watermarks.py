"""How far maintenance came: which layer holds which time.

Readings before `sealed` are in tiles (and in `late`, until they are sealed too), later ones in `hot`. `closed` runs
ahead of `sealed`: no new row before it enters `hot`, so the hours between can be sealed at leisure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage.errors import SchemaMismatch
from storage.reading.asking import ask, change, change_and_ask
from storage.tables import hot
from storage.tables_tiles import watermark

HOUR = 3_600_000_000  # microseconds
BLOCK = 4 * HOUR  # what is sealed together is of one block: no hour tile holds readings of two
DAY = 24 * HOUR

_MARKS = "SELECT name, at FROM watermark"
_TURN = "UPDATE watermark SET at = at + 1 WHERE name = 'turn'"
_MOVE = "UPDATE watermark SET at = %s WHERE name = %s"
# Written out, because every transaction that stores samples begins with it.
_HELD = "SELECT name, at FROM watermark WHERE name IN ('closed', 'raw_from')"
_SHARED = {
    "sqlite": "",  # one writer at a time
    "postgresql": " FOR SHARE",
    "mysql": " LOCK IN SHARE MODE",
    "mariadb": " LOCK IN SHARE MODE",
}


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Microseconds since 1970 UTC; 0: never yet.

    `compacted`: no hour tile holds an earlier time. `raw_from`, `hourly_from`: nothing before them is kept,
    of samples and of hourly figures.
    """

    closed: int
    sealed: int
    compacted: int
    raw_from: int
    hourly_from: int


def look(connection: Connection) -> Watermarks:
    """The watermarks; the first question of a transaction that goes on to read samples (`Database.snapshot`).

    It names `hot` although it reads none of it: MariaDB drops no partition of a table that a transaction has named.
    """
    held = select(hot.c.gid).limit(0).scalar_subquery()
    rows = connection.execute(select(watermark.c.name, watermark.c.at, held)).all()
    return as_watermarks({row.name: row.at for row in rows})


def known(connection: Connection) -> Watermarks:
    """The watermarks for whoever reads no samples; they may move meanwhile."""
    return as_watermarks(dict(ask(connection, _MARKS)))


def hold(connection: Connection) -> tuple[int, int]:
    """`closed` and `raw_from`, which do not move until this transaction ends; many may hold them at once.

    Writers send rows before `closed` to `late`, and refuse those before `raw_from`.
    """
    statement = _HELD + _SHARED[connection.dialect.name]
    found: dict[str, int] = dict(iter(connection.exec_driver_sql(statement)))
    if len(found) != 2:
        raise SchemaMismatch("the watermarks are missing: run `nephometer db upgrade`")
    return found["closed"], found["raw_from"]


def take_turn(connection: Connection) -> Watermarks:
    """The watermarks, which nobody else's maintenance moves until this transaction ends."""
    found, marks = change_and_ask(connection, _TURN, _MARKS)
    if found != 1:
        raise SchemaMismatch("the watermarks are missing: run `nephometer db upgrade`")
    return as_watermarks(dict(marks))


def move(connection: Connection, name: str, at: int) -> None:
    """Moves one watermark; the caller has the turn."""
    change(connection, _MOVE, (at, name))


def close(connection: Connection, at: int) -> None:
    """Moves `closed` on to this time, which waits for all that `hold` it; needs no turn, as it never goes back."""
    change(connection, f"{_MOVE} AND at < %s", (at, "closed", at))


def as_watermarks(found: Mapping[str, int]) -> Watermarks:
    """The watermarks by their names; raises SchemaMismatch when one is missing."""
    try:
        return Watermarks(
            found["closed"], found["sealed"], found["compacted"], found["raw_from"], found["hourly_from"]
        )
    except KeyError as missing:
        raise SchemaMismatch(f"watermark {missing} is missing: run `nephometer db upgrade`") from None
