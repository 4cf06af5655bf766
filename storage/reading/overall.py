"""Figures of whole groups: one statement, which is a snapshot by itself.

Where days and hours are counted together, of totals; else of hourly figures and tiles, of all resources at once.

It is put with the watermarks and numbers of an earlier question, and finds out by itself whether they still hold (as
`storage.reading.brief`). What it cannot tell (late readings, deltas, days that are cut, damage) is left to
`storage.reading.readings`. PostgreSQL only, where readings of open hours come packed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from storage.columns import Columns, Figures, Wanted
from storage.database import Database
from storage.errors import DamagedTile
from storage.names import Names
from storage.query import SampleQuery, StatisticsQuery
from storage.reading.abreast import recorded, rolled, tiled
from storage.reading.answers import StatisticsTable
from storage.reading.counted import GROUPS_AT_ONCE, counted_lines
from storage.reading.counting import count
from storage.reading.hourly import Records
from storage.reading.kept_records import Heads, KeptRecords, Known
from storage.reading.lines import Grain, Lines, gather
from storage.reading.moment import Moment
from storage.reading.picked import COLUMNS, Picked, pick
from storage.reading.selection import Selection, Value, times_of
from storage.reading.side_by_side import Found, is_side_by_side, table
from storage.reading.strangers import strange_groups
from storage.reading.tiled import Piece
from storage.tables import hot, late
from storage.tables_tiles import STAMPS
from storage.watermarks import BLOCK, DAY, HOUR

MOVED, ROLLED, TILED, OPEN = range(4)
DAYS_AT_ONCE = 128  # days of groups whose hours are read: a hundred MB of arrays

Row = Sequence[Any]  # kind, four integers, then bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in numbers; `named` are its groups where it is not about all of them, but about one project.

    `is_coarse`: totals of all resources of a group will do.
    """

    moment: Moment
    gids: frozenset[int]
    named: frozenset[int] | None
    project_id: str | None
    mids: frozenset[int]
    parts: frozenset[int]
    picked: Picked
    start: int
    end: int | None
    is_coarse: bool

    @property
    def sealed(self) -> int:
        """Where what is sealed of it ends."""
        sealed = self.moment.marks.sealed
        return max(self.start, sealed if self.end is None else min(self.end, sealed))

    def selection(self, start: int) -> Selection:
        """What to read of it from this time on."""
        return Selection(self.named, None, self.mids, self.parts, start, self.end)


class Overall:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moment: Moment | None = None
        self._kept = KeptRecords()

    def remember(self, moment: Moment | None) -> None:
        """When the last question was asked that had to go the long way."""
        self._moment = moment or self._moment

    def table(self, names: Names, query: StatisticsQuery, grain: Grain) -> StatisticsTable | None:
        """The statistics, of what must be kept apart; None where the long way has to be gone."""
        if self._moment is None or self._database.engine.dialect.name != "postgresql":
            return None
        try:
            asked = _asked(names, query.samples, grain.wanted, self._moment)
            if asked is None:
                return None
            found = self._by_hour(names, query, asked) if is_side_by_side(query) else None
            if found is None:
                found = count(query, _lines(names, asked, self._rows(asked), grain), grain, names)
            return found
        except (
            DamagedTile,
            LookupError,
        ):  # the long way says what is damaged, and learns what nobody knows yet
            return None

    def _by_hour(self, names: Names, query: StatisticsQuery, asked: _Asked) -> StatisticsTable | None:
        """The answer where it is one of a meter by resource and hour; None where that has to be counted."""
        if len(asked.mids) > 1:
            return None
        (mid,) = asked.mids
        key = asked.gids, mid, asked.start // DAY, None if asked.end is None else asked.end // DAY
        known = self._kept.get(key)
        rows = self._rows(asked, known=known is not None)
        if known is None or known.heads != _heads(rows):
            rows = rows if known is None else self._rows(asked)
            known = Known(_heads(rows), _days(names, asked, rows))
            if known.days:
                self._kept.keep(key, known)
        readings = [
            columns
            for kind, piece, some in _by_group(asked, rows)
            if kind == TILED
            for columns in tiled(names, piece, some)
        ]
        readings += _open_hours(names, asked, rows)
        return table(names, query, Found(mid, asked.start, asked.sealed, known.days, readings))

    def _rows(self, asked: _Asked, *, known: bool = False) -> Sequence[Row]:
        """What there is, without the records of days that are `known`; raises LookupError where the moment is over."""
        rows = self._database.ask(*_statement(asked, self._database.dialect.mark, known=known))
        if any(row[0] == MOVED and row[1] for row in rows):
            raise LookupError("the moment is over, or something is late")
        return rows


def _asked(names: Names, query: SampleQuery, wanted: Wanted, moment: Moment) -> _Asked | None:
    start, end = times_of(query)
    if start is None or query.resource_id is not None or query.looks_around or query.message_id is not None:
        return None
    marks, by_resource = moment.marks, wanted.by_resource
    is_kept = start >= max(marks.raw_from, marks.hourly_from)
    is_coarse = not by_resource and _is_whole(DAY, start, end, wanted, moment)
    if wanted.spread or not is_kept or not (is_coarse or _is_whole(HOUR, start, end, wanted, moment)):
        return None
    project_id = query.project_id
    if not query.scope.everything:
        if project_id not in (None, query.scope.project_id):
            return None
        project_id = query.scope.project_id
    mids = names.directory.known_mids(moment, query.meter)
    gids = names.directory.known_groups(moment, project_id)
    if not mids or not gids or len(gids) > GROUPS_AT_ONCE:
        return None
    if not is_coarse and len(gids) * (1 + (marks.sealed - start) // DAY) > DAYS_AT_ONCE:
        return None
    parts = names.directory.known_parts(moment, mids)
    picked = pick(names, parts, mids, gids, by_resource=by_resource)
    for gid in gids:
        names.project_of(gid)
    if not parts or picked is None or any(names.meter(mid).type == "delta" for mid in mids):
        return None
    named = None if project_id is None else gids
    return _Asked(moment, gids, named, project_id, mids, parts, picked, start, end, is_coarse)


def _is_whole(span: int, start: int, end: int | None, wanted: Wanted, moment: Moment) -> bool:
    """Whether neither the question nor its periods cut an hour or day."""
    is_open = end is None or end % span == 0 or end >= moment.marks.sealed
    return start % span == 0 and is_open and wanted.divides(span)


def _heads(rows: Sequence[Row]) -> Heads:
    """The rows of days without their records."""
    return frozenset(tuple(row[1:7]) for row in rows if row[0] == ROLLED)


def _days(names: Names, asked: _Asked, rows: Sequence[Row]) -> list[tuple[int, Records]]:
    """The records of days, by group."""
    return [
        (piece.gid, records)
        for kind, piece, some in _by_group(asked, rows)
        if kind == ROLLED
        for records in recorded(names, piece, some)
    ]


def _lines(names: Names, asked: _Asked, rows: Sequence[Row], grain: Grain) -> list[Lines]:
    """What the rows hold; raises LookupError where the long way has to be gone."""
    sums = [(*row[1:4], row[5]) for row in rows if row[0] in (ROLLED, TILED)] if asked.is_coarse else []
    return gather(_blocks(names, asked, rows), grain, counted_lines(names, sums, grain))


def _blocks(names: Names, asked: _Asked, rows: Sequence[Row]) -> Iterator[Columns | Figures]:
    if not asked.is_coarse:
        for kind, piece, some in _by_group(asked, rows):
            yield from (rolled if kind == ROLLED else tiled)(names, piece, some)
    yield from _open_hours(names, asked, rows)


def _open_hours(names: Names, asked: _Asked, rows: Sequence[Row]) -> Iterator[Columns]:
    for row in rows:
        if row[0] == OPEN:
            yield from asked.picked.columns(names, row[5:])


def _by_group(asked: _Asked, rows: Sequence[Row]) -> Iterator[tuple[int, Piece, Sequence[Row]]]:
    """The rows of days and of tiles of each group, from their meter on."""
    found: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        if row[0] in (ROLLED, TILED):
            found.setdefault((row[0], row[1]), []).append(row[2:8])
    for (kind, gid), some in found.items():
        yield kind, Piece(gid, asked.mids, None, asked.start, asked.sealed, versions=False), some


def _statement(asked: _Asked, mark: str, *, known: bool) -> tuple[str, list[Value | str]]:
    """Eleven columns of whatever there is: kind, group, meter, beginning and width, then bytes.

    Those are the total, or slots, head and records (not of days that are `known`); and of open hours what `Picked`
    selects.
    """
    marks, sealed = asked.moment.marks, asked.sealed
    gids, mids = sorted(asked.gids), sorted(asked.mids if asked.is_coarse else {STAMPS, *asked.mids})
    named = (
        f"gid IN ({', '.join([mark] * len(gids))}) AND mid IN ({', '.join([mark] * len(mids))})"
        f" AND start >= {mark} AND start < {mark}"
    )
    columns = ("0", "tot") if asked.is_coarse else ("w", "slots", "head", "raw")
    of_days = columns[:3] if known else columns
    nothing = ", NULL::bytea" * COLUMNS
    spans = (
        (ROLLED, "day_roll", of_days, asked.start - asked.start % DAY, sealed),
        (TILED, "tile", columns, max(asked.start - asked.start % BLOCK, marks.compacted), sealed),
    )
    parts: list[tuple[str, Sequence[Value | str]]] = [
        (
            f"SELECT {kind} AS kind, gid, mid, start, {_told(told)} FROM {source} WHERE {named}",  # noqa: S608 - ours
            (*gids, *mids, start, end),
        )
        for kind, source, told, start, end in spans
    ]
    condition, values = asked.selection(max(asked.start, marks.sealed)).sql(hot, mark)
    parts.append((f"SELECT {OPEN}, 0, 0, 0, 0, {asked.picked.sql()} FROM hot WHERE {condition}", values))  # noqa: S608 - ours
    condition, values = asked.selection(asked.start).sql(late, mark)
    some_late = f"(SELECT gid FROM late WHERE {condition} LIMIT 1) AS some_late"  # noqa: S608 - ours
    strangers = strange_groups(asked.named, asked.project_id, mark)
    for place, some in (*asked.moment.moved(mark), (some_late, values), *strangers):
        parts.append((f"SELECT {MOVED}, count(*), 0, 0, 0{nothing} FROM {place}", some))  # noqa: S608 - ours
    return " UNION ALL ".join(part for part, _ in parts), [value for _, some in parts for value in some]


def _told(columns: Sequence[str]) -> str:
    """Width and bytes, as many as `Picked` has."""
    return ", ".join([*columns, *["NULL::bytea"] * (1 + COLUMNS - len(columns))])
