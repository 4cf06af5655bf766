"""Figures of whole groups over days: one statement, which is a snapshot by itself.

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
from storage.query import SampleQuery
from storage.reading.counted import GROUPS_AT_ONCE, Uncounted, counted
from storage.reading.moment import Moment
from storage.reading.picked import COLUMNS, Picked, pick
from storage.reading.selection import Selection, Value, times_of
from storage.tables import hot, late
from storage.tables_tiles import day_roll, tile
from storage.watermarks import DAY

MOVED, ROLLED, TILED, OPEN = range(4)

Row = Sequence[Any]  # kind, three integers, then bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in numbers; `named` are its groups where it is not about all of them."""

    moment: Moment
    gids: frozenset[int]
    named: frozenset[int] | None
    mids: frozenset[int]
    parts: frozenset[int]
    picked: Picked
    start: int
    end: int | None

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

    def remember(self, moment: Moment | None) -> None:
        """When the last question was asked that had to go the long way."""
        self._moment = moment or self._moment

    def figures(self, names: Names, query: SampleQuery, wanted: Wanted) -> list[Columns | Figures] | None:
        """As `Reader.figures`; None where that has to be asked."""
        if self._moment is None or self._database.engine.dialect.name != "postgresql":
            return None
        try:
            asked = _asked(names, query, wanted, self._moment)
            if asked is None:
                return None
            rows = self._database.ask(*_statement(asked, self._database.dialect.mark))
            if any(row[0] == MOVED and row[1] for row in rows):
                return None
            return list(_told(names, asked, rows))
        except (
            DamagedTile,
            LookupError,
        ):  # the long way says what is damaged, and learns what nobody knows yet
            return None


def _asked(names: Names, query: SampleQuery, wanted: Wanted, moment: Moment) -> _Asked | None:
    start, end = times_of(query)
    if start is None or query.resource_id is not None or query.looks_around or query.message_id is not None:
        return None
    marks = moment.marks
    is_whole = start % DAY == 0 and (end is None or end % DAY == 0 or end >= marks.sealed)
    is_kept = start >= max(marks.raw_from, marks.hourly_from)
    if wanted.by_resource or wanted.spread or not wanted.divides(DAY) or not is_whole or not is_kept:
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
    parts = names.directory.known_parts(moment, mids)
    picked = pick(names, parts, mids, gids, by_resource=False)
    for gid in gids:
        names.project_of(gid)
    if not parts or picked is None or any(names.meter(mid).type == "delta" for mid in mids):
        return None
    named = None if project_id is None else gids
    return _Asked(moment, gids, named, mids, parts, picked, start, end)


def _told(names: Names, asked: _Asked, rows: Sequence[Row]) -> Iterator[Columns | Figures]:
    """What the rows hold; raises LookupError where the long way has to be gone."""
    for kind, table in ((ROLLED, day_roll), (TILED, tile)):
        sums = sorted(tuple(row[1:5]) for row in rows if row[0] == kind)
        for one in counted(names, table, sums, frozenset()):
            if isinstance(one, Uncounted):
                raise LookupError("a tile without a sum")  # noqa: TRY004 - as what else is not there
            yield one
    for row in rows:
        if row[0] == OPEN:
            yield from asked.picked.columns(names, row[4:])


def _statement(asked: _Asked, mark: str) -> tuple[str, list[Value]]:
    """Ten columns of whatever there is: kind, group, meter and beginning of a sum, and what `Picked` selects."""
    marks, sealed = asked.moment.marks, asked.sealed
    gids, mids = sorted(asked.gids), sorted(asked.mids)
    named = (
        f"gid IN ({', '.join([mark] * len(gids))}) AND mid IN ({', '.join([mark] * len(mids))})"
        f" AND start >= {mark} AND start < {mark}"
    )
    nothing = ", NULL::bytea" * (COLUMNS - 1)
    spans = (
        (ROLLED, "day_roll", asked.start, sealed - sealed % DAY),
        (TILED, "tile", max(asked.start, marks.compacted), sealed),
    )
    parts: list[tuple[str, Sequence[Value]]] = [
        (
            f"SELECT {kind} AS kind, gid, mid, start, tot{nothing} FROM {table} WHERE {named}",  # noqa: S608 - ours
            (*gids, *mids, start, end),
        )
        for kind, table, start, end in spans
    ]
    condition, values = asked.selection(max(asked.start, marks.sealed)).sql(hot, mark)
    parts.append((f"SELECT {OPEN}, 0, 0, 0, {asked.picked.sql()} FROM hot WHERE {condition}", values))  # noqa: S608 - ours
    condition, values = asked.selection(asked.start).sql(late, mark)
    some_late = f"(SELECT gid FROM late WHERE {condition} LIMIT 1) AS some_late"  # noqa: S608 - ours
    for source, some in (*asked.moment.moved(mark), (some_late, values)):
        parts.append((f"SELECT {MOVED}, count(*), 0, 0, NULL::bytea{nothing} FROM {source}", some))  # noqa: S608 - ours
    return " UNION ALL ".join(part for part, _ in parts), [value for _, some in parts for value in some]
