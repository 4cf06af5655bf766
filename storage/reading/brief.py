"""Figures of one resource by whole hours: one statement, which is a snapshot by itself.

It is put with the watermarks and numbers of an earlier question, and finds out by itself whether they still hold (as
`storage.reading.recent`). What it cannot tell (late readings, deltas, cut hours, damage, slots that moved) is left to
`storage.reading.readings`.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.columns import Columns, Figures, Wanted
from storage.database import Database
from storage.directory import Place
from storage.errors import DamagedTile
from storage.names import Names, Owner
from storage.query import SampleQuery, StatisticsQuery
from storage.reading.answers import StatisticsTable
from storage.reading.by_hour import Found, is_by_hour, table
from storage.reading.counted import Uncounted
from storage.reading.hourly import Day, figures_of
from storage.reading.moment import Moment
from storage.reading.polled import columns_of, sorted_out
from storage.reading.selection import times_of
from storage.reading.tiled import Piece
from storage.tables_tiles import STAMPS
from storage.tiles import heads, rolls
from storage.tiles.codec import Block
from storage.tiles.layout import checked_rank
from storage.tiles.records import Record, of_roll, of_tile
from storage.tiles.roll_stacks import RollRow
from storage.tiles.span_stacks import SpanRow, SpanStack
from storage.watermarks import DAY, HOUR

FOREVER = 2**62
SOON = DAY  # a day is read and counted in less time than it takes to wake a thread
MOVED, ROLLED, TILED, OPEN = range(4)
RANKS_MAX = 50_000
# The long way says what is damaged, and learns what nobody knows yet.
_LONG_WAY = (DamagedTile, LookupError)

Row = Sequence[Any]  # kind, then as in the statement: integers and bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in numbers; `rank` is where the resource's records are taken to be in day tiles."""

    moment: Moment
    place: Place
    mids: frozenset[int]
    start: int
    end: int
    rank: int

    @property
    def piece(self) -> Piece:
        """What is sealed of it."""
        end = max(self.start, min(self.end, self.moment.marks.sealed))
        return Piece(self.place[0], self.mids, frozenset((self.place[2],)), self.start, end, versions=False)


class Brief:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moment: Moment | None = None
        self._ranks: dict[tuple[int, int], int] = {}  # by group and slot

    def remember(self, moment: Moment | None) -> None:
        """When the last question was asked that had to go the long way."""
        self._moment = moment or self._moment

    def figures(self, names: Names, query: SampleQuery, wanted: Wanted) -> list[Columns | Figures] | None:
        """As `Reader.figures`; None where that has to be asked."""
        with suppress(*_LONG_WAY):
            asked = self._asked(names, query, wanted)
            rows = None if asked is None else self._rows(asked)
            return None if asked is None or rows is None else list(self._told(names, asked, rows))
        return None

    def by_hour(self, names: Names, query: StatisticsQuery, wanted: Wanted) -> StatisticsTable | None:
        """The whole answer, where that is one of a meter by the hour; None where that has to be counted."""
        with suppress(*_LONG_WAY):
            asked = self._asked(names, query.samples, wanted) if is_by_hour(query) else None
            if asked is not None and len(asked.mids) == 1 and (rows := self._rows(asked)) is not None:
                return table(names, query, asked.place[1], self._found(asked, rows))
        return None

    async def by_hour_soon(
        self, names: Names, query: StatisticsQuery, wanted: Wanted
    ) -> StatisticsTable | None:
        """The same where an event loop can tell; None where a thread has to ask."""
        with suppress(*_LONG_WAY):
            asked = None
            if is_by_hour(query) and self._is_known(names, query.samples):
                asked = self._asked(names, query.samples, wanted)
            if asked is None or len(asked.mids) > 1 or asked.end - asked.start > SOON:
                return None
            answered = await self._database.ask_soon(*_statement(asked, self._database.dialect.mark))
            rows = None if answered is None else _still(answered)
            if rows is not None:
                return table(names, query, asked.place[1], self._found(asked, rows))
        return None

    def _asked(self, names: Names, query: SampleQuery, wanted: Wanted) -> _Asked | None:
        moment, (start, end) = self._moment, times_of(query)
        if moment is None or start is None or query.looks_around or query.message_id is not None:
            return None
        marks, end = moment.marks, FOREVER if end is None else end
        is_whole = start % HOUR == 0 and (end % HOUR == 0 or end >= marks.sealed) and wanted.divides(HOUR)
        is_kept = start >= max(marks.raw_from, marks.hourly_from)
        if wanted.spread or not is_whole or not is_kept or end <= start:
            return None
        mids = names.directory.known_mids(moment, query.meter)
        place = self._place(names, query, moment)
        if not mids or place is None or any(names.meter(mid).type == "delta" for mid in mids):
            return None
        return _Asked(moment, place, mids, start, end, self._ranks.get((place[0], place[2]), place[2]))

    def _is_known(self, names: Names, query: SampleQuery) -> bool:
        """Whether nobody has to be asked where the resource is."""
        project_id = query.project_id if query.scope.everything else query.scope.project_id
        if self._moment is None or query.resource_id is None:
            return False
        return names.directory.known_places(self._moment, query.resource_id, project_id) is not None

    def _place(self, names: Names, query: SampleQuery, moment: Moment) -> Place | None:
        """Where the resource is, if there is one that may be seen; `names` know it then."""
        resource_id, project_id = query.resource_id, query.project_id
        if resource_id is None:
            return None
        if not query.scope.everything:
            if project_id not in (None, query.scope.project_id):
                return None
            project_id = query.scope.project_id
        places = names.directory.known_places(moment, resource_id, project_id)
        if places is None:
            mark = self._database.dialect.mark
            statement = (
                "SELECT r.gid, r.rid, r.slot, p.id FROM resource r JOIN project p ON p.pid = r.pid"  # noqa: S608 - ours
                f" WHERE r.id = {mark}" + (f" AND p.id = {mark}" if project_id is not None else "")
            )
            values = [resource_id, *([project_id] if project_id is not None else [])]
            rows = self._database.ask(statement, values)
            places = tuple((gid, rid, slot) for gid, rid, slot, _ in rows)
            for place, (*_, owner) in zip(places, rows, strict=True):
                names.know(place, Owner(resource_id, owner or None))
            names.directory.learn_places(moment, resource_id, project_id, places)
        if len(places) != 1 or not names.knows(places[0]):
            return None
        return places[0]

    def _rows(self, asked: _Asked) -> list[Row] | None:
        return _still(self._database.ask(*_statement(asked, self._database.dialect.mark)))

    def _found(self, asked: _Asked, rows: Sequence[Row]) -> Found:
        """The resource's records."""
        (mid,), slot, piece = asked.mids, asked.place[2], asked.piece
        some: dict[tuple[int, bool], dict[int, Record]] = {
            (kind, is_stamps): {} for kind in (ROLLED, TILED) for is_stamps in (False, True)
        }
        ranks: dict[tuple[bytes, int], int | None] = {}
        for kind, _, number, start, _, w, _, slots, head, raw in rows:
            if kind == OPEN:
                continue
            known = slots, rolls.slots_in(head) if kind == ROLLED else heads.slots_in(head)
            if known not in ranks:
                ranks[known] = checked_rank(*known, slot)
            if (rank := ranks[known]) is None:
                continue
            block = Block(w, head, raw or b"")  # beyond a damaged row's end: NULL
            if kind == ROLLED:
                self._expect(asked, rank)
            record = of_roll(block, rank) if kind == ROLLED else of_tile(block, number, rank)
            some[kind, number == STAMPS][start] = record
        hot = [(row[3], row[4], row[9]) for row in rows if row[0] == OPEN]
        return Found(
            mid=mid,
            start=piece.start,
            end=piece.end,
            days=some[ROLLED, False],
            day_stamps=some[ROLLED, True],
            hours=some[TILED, False],
            hour_stamps=some[TILED, True],
            hot=hot,
        )

    def _told(self, names: Names, asked: _Asked, rows: Sequence[Row]) -> Iterator[Columns | Figures]:
        """What the rows hold; raises LookupError where the long way has to be gone."""
        gid, _, slot = asked.place
        days: dict[int, list[Day]] = {}
        spans: dict[tuple[int, int], SpanRow] = {}
        tiles: dict[int, list[tuple[int, int, SpanRow]]] = {}
        for kind, _, mid, start, line, w, _, slots, head, raw in rows:
            if kind == OPEN:
                continue
            known = rolls.slots_in(head) if kind == ROLLED else heads.slots_in(head)
            rank = checked_rank(slots, known, slot)
            if rank is None:
                continue
            if kind == ROLLED:
                self._expect(asked, rank)
                row = RollRow(Block(w, head, raw or b""), rank)  # beyond a damaged row's end: NULL
                days.setdefault(mid, []).append(Day(start, np.array([slot]), row))
                continue
            span = SpanRow(np.array([slot]), Block(w, head, raw), rank)
            if mid == STAMPS:
                spans[start, mid] = span
            else:
                tiles.setdefault(mid, []).append((start, line, span))
        for one in figures_of(names, asked.piece, days, spread=False):
            if isinstance(one, Uncounted):
                raise LookupError("a day without figures")  # noqa: TRY004 - as what else is not there
            yield one
        stack = SpanStack(spans)
        for mid, some in tiles.items():
            series = stack.series(some, versions=False)
            if series is None:
                raise LookupError("a tile whose stamps are missing")
            rid = names.known_rids(gid, series.slot)
            yield Columns(gid, mid, rid, series.ts, series.ver, series.volume)
        hot = sorted((*row[1:7], row[9]) for row in rows if row[0] == OPEN)
        yield from columns_of(names, sorted_out(hot), asked.mids)

    def _expect(self, asked: _Asked, rank: int) -> None:
        if rank != asked.rank:
            if len(self._ranks) > RANKS_MAX:
                self._ranks.clear()
            self._ranks[asked.place[0], asked.place[2]] = rank
            raise LookupError("another record than was thought")


def _still(rows: Sequence[Row]) -> list[Row] | None:
    """What there is; None where the moment is over, or something is late."""
    found = [row for row in rows if row[0] != MOVED]
    return None if any(row[1] for row in rows if row[0] == MOVED) else found


def _statement(asked: _Asked, mark: str) -> tuple[str, list[int | bytes]]:
    """Ten columns of whatever there is: kind, group, then as in the table each row comes from."""
    (gid, rid, _), piece, marks = asked.place, asked.piece, asked.moment.marks
    mids = [STAMPS, *sorted(asked.mids)]
    named = (
        f"gid = {mark} AND mid IN ({', '.join([mark] * len(mids))}) AND start >= {mark} AND start < {mark}"
    )
    parts: list[tuple[str, Sequence[int]]] = [
        (
            f"SELECT {ROLLED} AS kind, gid, mid, start, 0 AS line, w, 0 AS recv, slots, head,"  # noqa: S608 - ours
            f" substr(raw, CAST(1 + w * {mark} AS integer), w) AS raw FROM day_roll WHERE {named}",
            (asked.rank, gid, *mids, piece.start - piece.start % DAY, piece.end),
        ),
        (
            f"SELECT {TILED}, gid, mid, start, line, w, 0, slots, head, raw FROM tile WHERE {named}",  # noqa: S608 - ours
            (gid, *mids, max(piece.start, marks.compacted), piece.end),
        ),
        (
            f"SELECT {OPEN}, gid, rid, ts, part, ver, recv, NULL, NULL, vals FROM hot"  # noqa: S608 - ours
            f" WHERE gid = {mark} AND rid = {mark} AND ts >= {mark} AND ts < {mark}",
            (gid, rid, max(asked.start, marks.sealed), asked.end),
        ),
    ]
    late = f"(SELECT gid FROM late WHERE gid = {mark} AND rid = {mark} LIMIT 1) AS some_late"  # noqa: S608 - ours
    for source, values in (*asked.moment.moved(mark), (late, (gid, rid))):
        counted = f"SELECT {MOVED}, count(*), 0, 0, 0, 0, 0, NULL, NULL, NULL FROM {source}"  # noqa: S608 - ours
        parts.append((counted, values))
    return " UNION ALL ".join(part for part, _ in parts), [value for _, values in parts for value in values]
