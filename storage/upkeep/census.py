"""Counts what is stored, meter by meter, from the heads of tiles; of some groups where there are too many."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, func, select

from storage.packing import unpack_mids
from storage.tables import delta, hot, late, resource_group, shape
from storage.tables_tiles import day_roll, day_tile, tile
from storage.watermarks import look

GROUPS_AT_ONCE = 16
EFFORT_MAX = 200_000  # heads read, or the work of as many
ROWS_A_HEAD = 20  # rows counted by the database in the time of reading a head
READING_BYTES = 8
COUNT_BYTES = 24  # of `tot`: count, first and last moment, storage.tiles.totals


@dataclass(slots=True)
class Tally:
    """What a layer holds, by the number of the meter: `weights` in bytes before the database's own overhead."""

    readings: Counter[int] = field(default_factory=Counter)
    weights: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class Census:
    """Tallies by table, the time they cover (microseconds since 1970 UTC), and how many of the groups were counted."""

    tallies: dict[str, Tally]
    groups: int
    counted: int = 0
    oldest: int | None = None
    newest: int | None = None

    @property
    def factor(self) -> float:
        """What to multiply a tally with, to have all groups."""
        return self.groups / self.counted if self.counted else 1.0

    def cover(self, first: int, last: int) -> None:
        """Notes that there is data of these moments."""
        self.oldest = first if self.oldest is None else min(self.oldest, first)
        self.newest = last if self.newest is None else max(self.newest, last)


def take_census(connection: Connection) -> Census:
    """Counts all groups, or as many as can be counted within seconds, chosen at random but always alike."""
    sealed = look(connection).sealed
    gids = list(connection.scalars(select(resource_group.c.gid).order_by(resource_group.c.gid)))
    random.Random(0).shuffle(gids)  # noqa: S311 - a choice, not a secret
    mids = {row.part: unpack_mids(row.mids) for row in connection.execute(select(shape))}
    tables = (hot, late, delta, tile, day_tile, day_roll)
    census = Census({table.name: Tally() for table in tables}, len(gids))
    effort = 0
    for some in _slices(gids):
        for table, since in ((hot, sealed), (late, None)):
            effort += _count_rows(connection, census, table, mids, (some, since)) // ROWS_A_HEAD
        effort += _count_deltas(connection, census, some) // ROWS_A_HEAD
        effort += sum(_read_heads(connection, census, table, some) for table in (tile, day_tile, day_roll))
        census.counted += len(some)
        if effort >= EFFORT_MAX:
            break
    return census


def _slices(gids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(gids), GROUPS_AT_ONCE):
        yield gids[start : start + GROUPS_AT_ONCE]


def _count_rows(
    connection: Connection,
    census: Census,
    table: Table,
    mids: dict[int, tuple[int, ...]],
    chosen: tuple[Sequence[int], int | None],
) -> int:
    """Rows of these groups, without those before `since`, which tiles hold as well."""
    gids, since = chosen
    tally, rows = census.tallies[table.name], 0
    ts = table.c.ts
    question = select(table.c.part, func.count(), func.min(ts), func.max(ts)).where(table.c.gid.in_(gids))
    if since is not None:
        question = question.where(ts >= since)
    for part, count, first, last in connection.execute(question.group_by(table.c.part)):
        census.cover(first, last)
        rows += count
        for mid in mids.get(part, ()):  # a shape may be newer than our list
            tally.readings[mid] += count
            tally.weights[mid] += count * READING_BYTES
    return rows


def _count_deltas(connection: Connection, census: Census, gids: Sequence[int]) -> int:
    tally, rows = census.tallies[delta.name], 0
    question = select(delta.c.mid, func.count(), func.min(delta.c.ts), func.max(delta.c.ts))
    for mid, count, first, last in connection.execute(
        question.where(delta.c.gid.in_(gids)).group_by(delta.c.mid)
    ):
        census.cover(first, last)
        rows += count
        tally.readings[mid] += count
        tally.weights[mid] += count
    return rows


def _read_heads(connection: Connection, census: Census, table: Table, gids: Sequence[int]) -> int:
    """Reads everything of these tiles but their records, whose size follows from the head."""
    tally, rows = census.tallies[table.name], 0
    c = table.c
    beside = (func.length(c.head) + func.length(c.tot)).label("beside")
    counted = func.substr(c.tot, 1, COUNT_BYTES).label("counted")
    question = select(c.mid, c.w, c.slots, beside, counted).where(c.gid.in_(gids), c.mid > 0)
    for mid, width, slots, size, counts in connection.execute(question):
        rows += 1
        records = int.from_bytes(slots, "little").bit_count()
        tally.weights[mid] += width * records + size + len(slots)
        if table is not day_roll and len(counts) == COUNT_BYTES:
            count, first, last = (
                int.from_bytes(counts[at : at + 8], "little", signed=True) for at in range(0, COUNT_BYTES, 8)
            )
            tally.readings[mid] += count
            census.cover(first, last)
    return rows
