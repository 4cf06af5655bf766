"""Reads everything that is sealed and tells what is damaged. Changes nothing; may run beside everything else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, Table, and_, func, select

from storage.columns import Integers, is_real
from storage.database import Database
from storage.errors import DamagedTile
from storage.names import Names
from storage.reading.polled import explode, polled
from storage.reading.tiled import SPANS, Piece, sealed_series
from storage.sample import from_microseconds, to_microseconds
from storage.tables import hot, meter, project, resource_group, version
from storage.tables_tiles import day_roll, day_tile, tile
from storage.tiles.checking import Expected, check_roll, check_span
from storage.tiles.codec import Block
from storage.tiles.compact import Generations, hourly_columns
from storage.tiles.figures import Cells
from storage.tiles.layout import Series, TileRow, place_of
from storage.tiles.totals import pack_total
from storage.watermarks import DAY, HOUR, Watermarks, look

TABLES = (tile, day_tile, day_roll)
DAYS_AT_ONCE = 4
NAMES_A_STATEMENT = 500

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged row: `meter` is None of stamps and versions, which belong to all meters of the group."""

    table: str
    gid: int
    mid: int
    start: datetime
    project: str | None
    meter: str | None
    reason: str


class Check:
    """Looks at every sealed row of one store."""

    def __init__(self, database: Database) -> None:
        self.rows = 0  # looked at so far
        self._database = database
        self._names = Names()
        self._versions: set[int] = set()

    def groups(self) -> list[int]:
        """The groups that have a sealed row."""
        found: set[int] = set()
        with self._database.read() as connection:
            for table in TABLES:
                gid: int | None = None
                while True:  # from one to the next along the key: no database looks at all rows
                    later = () if gid is None else (table.c.gid > gid,)
                    gid = connection.execute(select(func.min(table.c.gid)).where(*later)).scalar()
                    if gid is None:
                        break
                    found.add(gid)
        return sorted(found)

    def damages(self, gid: int) -> list[Damage]:
        """The damaged rows of a group, by day."""
        found: list[Damage] = []
        for begin, end in self._stretches(gid):
            with self._database.snapshot() as connection:
                look(connection)
                found += self._named(connection, list(self._of_group(connection, gid, (begin, end))))
        return found

    def problems(self, now: datetime) -> list[str]:
        """What is wrong with the watermarks, and with rows that are in a layer whose readers do not look there."""
        with self._database.snapshot() as connection:
            marks = look(connection)
            found = list(_contradictions(marks, to_microseconds(now)))
            over = marks.sealed - marks.sealed % DAY
            for table, condition, words in (
                (tile, tile.c.start >= marks.sealed, "are of hours that are not sealed"),
                (
                    tile,
                    and_(tile.c.start < marks.compacted, tile.c.start >= marks.raw_from),
                    "are of compacted days",
                ),
                (day_tile, day_tile.c.start >= over, "are of days that are not over"),
            ):
                rows = connection.execute(
                    select(func.count()).select_from(table).where(condition)
                ).scalar_one()
                if rows:
                    found.append(f"{rows} rows of {table.name} {words}: nobody reads them")
            found += self._forgotten(connection, marks)
        return found

    def _stretches(self, gid: int) -> Iterator[tuple[int, int]]:
        """Some days at a time, so that memory stays small."""
        extents = []
        with self._database.read() as connection:
            for table in TABLES:
                first, last = func.min(table.c.start), func.max(table.c.start)
                extents.append(connection.execute(select(first, last).where(table.c.gid == gid)).one())
        firsts, lasts = ([row[side] for row in extents if row[side] is not None] for side in (0, 1))
        begin = min(firsts, default=0) // DAY * DAY
        while firsts and begin <= max(lasts):
            yield begin, begin + DAYS_AT_ONCE * DAY
            begin += DAYS_AT_ONCE * DAY

    def _of_group(self, connection: Connection, gid: int, span: tuple[int, int]) -> Iterator[Damage]:
        read = {table: _read(connection, table, gid, span) for table in TABLES}
        self.rows += sum(len(rows) for spans in read.values() for rows in spans.values())
        for table in (tile, day_tile):
            starts = sorted(read[table])
            after = dict(pairwise(starts))
            for start, rows in read[table].items():
                series: dict[int, Series] = {}
                end = start - start % SPANS[table] + SPANS[table]
                found = [
                    *_aligned(rows, start, HOUR if table is tile else DAY),
                    *check_span(rows, start, min(end, after.get(start, end)), series),
                ]
                found += self._unknown(connection, gid, series)
                yield from (_damage(table, gid, mid, start, reason) for mid, reason in found)
                if table is day_tile:
                    wrong = {mid for mid, _ in found}
                    right = {mid: one for mid, one in series.items() if mid not in wrong}
                    yield from self._figures(connection, gid, start, read[day_roll].pop(start, {}), right)
        for start, rows in read[day_roll].items():
            yield from self._figures(connection, gid, start, rows, {})

    def _figures(
        self,
        connection: Connection,
        gid: int,
        day: int,
        rows: Mapping[int, TileRow],
        series: Mapping[int, Series],
    ) -> Iterator[Damage]:
        """Damages of hourly figures, compared with the readings of the day."""
        expected: dict[int, Expected] = {}
        generations = Generations(connection, self._names)
        for mid, one in series.items():
            cells = Cells(one.slot, one.ts)
            times = cells.times(one.ts)
            columns = times | hourly_columns(self._names, mid, one, cells, generations)
            expected[mid] = Expected(pack_total(one.ts, one.volume), columns)
        found = [*_aligned(rows, day, DAY), *check_roll(rows, day, expected)]
        found += [(mid, "its hourly figures are missing") for mid in expected if mid not in rows]
        yield from (_damage(day_roll, gid, mid, day, reason) for mid, reason in found)

    def _unknown(
        self, connection: Connection, gid: int, series: Mapping[int, Series]
    ) -> Iterator[tuple[int, str]]:
        """Rows that name a meter, resource or version nobody knows."""
        self._names.learn_meters(connection, series)
        for mid, one in series.items():
            try:
                real = self._names.meter(mid).real
            except KeyError:
                yield mid, "its meter is unknown"
                continue
            if is_real(one.volume) is not real:
                yield mid, "its readings are not of the kind of its meter"
            elif not self._names.rids(connection, gid, np.unique(one.slot)).all():
                yield mid, "it has readings of a resource nobody knows"
            elif not self._are_known(connection, set(np.unique(one.ver).tolist())):
                yield mid, "its versions are unknown"

    def _are_known(self, connection: Connection, versions: set[int]) -> bool:
        missing = sorted(versions - self._versions)
        for at in range(0, len(missing), NAMES_A_STATEMENT):
            some = version.c.ver.in_(missing[at : at + NAMES_A_STATEMENT])
            self._versions.update(connection.execute(select(version.c.ver).where(some)).scalars())
        return versions <= self._versions

    def _forgotten(self, connection: Connection, marks: Watermarks) -> Iterator[str]:
        """Rows of sealed hours that are in no tile; those that are wait to be dropped."""
        over = and_(hot.c.ts >= marks.raw_from, hot.c.ts < marks.sealed)
        extent = select(hot.c.gid, func.min(hot.c.ts), func.max(hot.c.ts)).where(over).group_by(hot.c.gid)
        for gid, first, last in connection.execute(extent.order_by(hot.c.gid)).all():
            piece = Piece(gid, None, None, first - first % HOUR, last - last % HOUR + HOUR, versions=False)
            try:
                kept = self._places(connection, piece)
            except DamagedTile:  # it is listed by itself
                continue
            missing = 0
            some = "gid = %s AND ts >= %s AND ts < %s", (gid, marks.raw_from, marks.sealed)
            for rows in polled(connection, hot, some):
                for one in explode(connection, self._names, rows, None):
                    place = place_of(self._names.slots_in(connection, gid, one.rid), one.ts)
                    there = kept.get(self._names.meter(one.mid).kind, np.zeros(0, np.int64))
                    missing += int((~np.isin(place, there)).sum())
            if missing:
                moment = from_microseconds(piece.start).isoformat()
                yield f"{missing} readings of group {gid} since {moment} are of sealed hours, but in no tile"

    def _places(self, connection: Connection, piece: Piece) -> dict[Kind, Integers]:
        """Slots and times of the readings in tiles, by what they are of."""
        found: dict[Kind, Integers] = {}
        for table in (tile, day_tile):
            for _, mid, series in sealed_series(connection, table, piece):
                self._names.learn_meters(connection, (mid,))
                kind = self._names.meter(mid).kind
                found[kind] = np.concatenate((found.get(kind, series.place[:0]), series.place))
        return found

    def _named(self, connection: Connection, found: Sequence[Damage]) -> Iterator[Damage]:
        """With the names of project and meter."""
        if found:
            pid = select(resource_group.c.pid).where(resource_group.c.gid == found[0].gid).scalar_subquery()
            owner = connection.execute(select(project.c.id).where(project.c.pid == pid)).scalar()
            mids = {one.mid for one in found}
            rows = connection.execute(select(meter.c.mid, meter.c.name).where(meter.c.mid.in_(mids)))
            names = {row.mid: row.name for row in rows}
            for one in found:
                yield replace(one, project=owner or None, meter=names.get(one.mid))


def _read(
    connection: Connection, table: Table, gid: int, span: tuple[int, int]
) -> dict[int, dict[int, TileRow]]:
    """The rows of a group between two times, by start and mid."""
    found: dict[int, dict[int, TileRow]] = {}
    chosen = and_(table.c.gid == gid, table.c.start >= span[0], table.c.start < span[1])
    for row in connection.execute(select(table).where(chosen).order_by(table.c.start)):
        block = Block(row.w, bytes(row.head), bytes(row.raw))
        tile_row = TileRow(row.mid, row.line, bytes(row.slots), block, bytes(row.tot))
        found.setdefault(row.start, {})[row.mid] = tile_row
    return found


def _aligned(rows: Mapping[int, TileRow], start: int, span: int) -> Iterator[tuple[int, str]]:
    if start % span:
        yield from ((mid, "it begins in the middle of an hour or day") for mid in sorted(rows))


def _damage(table: Table, gid: int, mid: int, start: int, reason: str) -> Damage:
    return Damage(table.name, gid, mid, from_microseconds(start), None, None, reason)


def _contradictions(marks: Watermarks, now: int) -> Iterator[str]:
    spans = {"closed": HOUR, "sealed": HOUR, "compacted": DAY, "raw_from": DAY, "hourly_from": DAY}
    for name, span in spans.items():
        if getattr(marks, name) % span:
            yield f"the watermark {name} is not at the beginning of {'an hour' if span == HOUR else 'a day'}"
    order = ("hourly_from", "raw_from", "compacted", "sealed", "closed")
    for earlier, later in pairwise(order):
        if getattr(marks, earlier) > getattr(marks, later):
            yield f"the watermark {earlier} is after {later}"
    if marks.closed > now:
        yield "the watermark closed is in the future: the clock of a collector is or was wrong"
