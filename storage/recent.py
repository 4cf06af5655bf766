"""The newest samples where they all stand in `hot`: one statement, which is a snapshot by itself.

It is put with the numbers and watermarks of an earlier question, and finds out by itself whether they still hold. What
it cannot tell (late readings, deltas, tiles, names nobody has learned) is left to `storage.newest`.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final

from storage.database import Database
from storage.matching import Matching
from storage.moment import Moment
from storage.names import Meter, Names
from storage.packing import READING, derived_message_id
from storage.query import SampleQuery, Scope
from storage.selection import Selection, times_of
from storage.stored import FoundSample
from storage.tables import delta, hot, late

FIRST_PAGE: Final = 256
KNOWN_MAX: Final = 50_000

_Key = tuple[Scope, str | None, str | None, str | None]
_Row = tuple[int, int, int, int, int, int, bytes]  # as in `hot`: gid, rid, ts, part, ver, recv, vals
_Entry = tuple[int, str, str, str, int, int, int, int, int | float]
_Places = list[tuple[int, int, Meter]]  # byte of a row's readings, and the meter there

_COLUMNS: Final = "gid, rid, ts, part, ver, recv, vals"
_COUNTED: Final = (
    "SELECT -1 AS gid, count(*) AS rid, 0 AS ts, 0 AS part, 0 AS ver, 0 AS recv, NULL AS vals FROM"
)
_REAL, _INTEGER = struct.Struct(">d").unpack_from, struct.Struct(">q").unpack_from
_ts = itemgetter(2)


@dataclass(frozen=True, slots=True)
class _Known:
    """What questions led to, all in one moment; their times are left out.

    `reached`: how far back the last answer of so many samples to a question went, microseconds since 1970 UTC.
    """

    moment: Moment
    selections: dict[_Key, Selection] = field(default_factory=dict)
    reached: dict[tuple[SampleQuery, int], int] = field(default_factory=dict)

    def reach(self, query: SampleQuery, limit: int, ts: int) -> None:
        """Remembers how far back an answer went, of questions that do not say it themselves."""
        if query.start is None and query.end is None and len(self.reached) < KNOWN_MAX:
            self.reached[query, limit] = ts


class Recent:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._matching = Matching()
        self._known: _Known | None = None

    def find(self, names: Names, query: SampleQuery, limit: int) -> list[FoundSample] | None:
        """As `Newest.find`; None where that has to be asked."""
        known = self._known
        selection = None if known is None else known.selections.get(_key(query))
        if known is None or selection is None or query.message_id is not None:
            return None
        selection, is_whole = _open_part(selection, query, known.moment)
        begin, page = known.reached.get((query, limit), 0), FIRST_PAGE
        while page < 2 * limit:  # few sizes, so that servers know the statement
            page *= 2
        while True:
            rows = self._rows(known.moment, _from(selection, begin), page)
            if rows is None:
                return None
            cut = max(begin, rows[-1][2] + 1 if len(rows) == page else 0)
            entries = self._entries(names, selection, query, [row for row in rows if row[2] >= cut], limit)
            if entries is None:
                return None
            if len(entries) >= limit:
                known.reach(query, limit, -entries[limit - 1][0])
                return _found(names, entries[:limit])
            if not cut:
                return _found(names, entries) if is_whole else None
            page, begin = page if begin else 4 * page, 0

    def remember(self, query: SampleQuery, moment: Moment, selection: Selection) -> None:
        """What a question led to in this moment."""
        known = self._known
        if known is None or known.moment != moment or len(known.selections) > KNOWN_MAX:
            known = self._known = _Known(moment)
        known.selections[_key(query)] = selection

    def _rows(self, moment: Moment, selection: Selection, page: int) -> list[_Row] | None:
        """The newest rows of `hot`, newest first; None when the moment is over, or others have to be looked at."""
        mark = self._database.dialect.mark
        condition, newest = selection.sql(hot, mark)
        counted: list[tuple[str, Sequence[int | bytes]]] = [*moment.moved(mark)]
        for table in (late, delta):
            about, values = selection.sql(table, mark)
            some = f"(SELECT gid FROM {table.name} WHERE {about} LIMIT 1)"  # noqa: S608 - ours
            counted.append((f"{some} AS others", values))
        statement = " UNION ALL ".join(
            [
                f"SELECT * FROM (SELECT {_COLUMNS} FROM hot WHERE {condition} ORDER BY ts DESC LIMIT {page}) AS newest",  # noqa: S608 - ours
                *(f"{_COUNTED} {source}" for source, _ in counted),
            ]
        )
        rows: list[_Row] = []
        for row in self._database.ask(
            statement, [*newest, *(value for _, some in counted for value in some)]
        ):
            if row[0] >= 0:
                rows.append(row)
            elif row[1]:
                return None
        rows.sort(key=_ts, reverse=True)
        return rows

    def _entries(
        self, names: Names, selection: Selection, query: SampleQuery, rows: Sequence[_Row], limit: int
    ) -> list[_Entry] | None:
        """The newest readings in complete rows, newest first: at least `limit` of them, if there are so many.

        None where rows compete for a reading, or a name is not learned.
        """
        try:
            columns = {part: _columns(names, part, selection.mids) for part in {row[3] for row in rows}}
            good = self._matching.of(query, names, {row[4] for row in rows}) if query.looks_around else None
            return None if _compete(columns, rows) else _read(names, rows, columns, good, limit)
        except KeyError:
            return None


def _key(query: SampleQuery) -> _Key:
    return query.scope, query.project_id, query.resource_id, query.meter


def _open_part(selection: Selection, query: SampleQuery, moment: Moment) -> tuple[Selection, bool]:
    """What to read of `hot`, and whether nothing else could hold readings."""
    start, end = times_of(query)
    begin = max(start or 0, 0, moment.marks.raw_from)
    sealed = moment.marks.sealed
    is_whole = begin >= (sealed if end is None else min(end, sealed))
    return replace(selection, start=max(begin, sealed), end=end), is_whole


def _from(selection: Selection, begin: int) -> Selection:
    return replace(selection, start=begin) if begin > (selection.start or 0) else selection


def _columns(names: Names, part: int, wanted: frozenset[int] | None) -> _Places:
    """Where in a row the wanted meters stand."""
    return [
        (place * READING, mid, names.meter(mid))
        for place, mid in enumerate(names.mids_of(part))
        if wanted is None or mid in wanted
    ]


def _compete(columns: Mapping[int, _Places], rows: Sequence[_Row]) -> bool:
    """Whether two readings of one kind may be of one resource and time."""
    if any(len({meter.kind for _, _, meter in places}) < len(places) for places in columns.values()):
        return True
    return len(columns) > 1 and len({row[:3] for row in rows}) < len(rows)


def _read(
    names: Names,
    rows: Iterable[_Row],
    columns: Mapping[int, _Places],
    good: Mapping[int, bool] | None,
    limit: int,
) -> list[_Entry]:
    """The readings in rows that come newest first; raises KeyError for an owner that is not learned."""
    entries: list[_Entry] = []
    last = -1
    for _, rid, ts, part, ver, recv, vals in rows:
        if ts != last and len(entries) >= limit:
            break
        last = ts
        if good is not None and not good[ver]:
            continue
        owner = names.owner(rid)
        names.version(ver)
        who = owner.resource_id, owner.project_id or ""
        for place, mid, meter in columns[part]:
            volume = (_REAL if meter.real else _INTEGER)(vals, place)[0]
            entries.append((-ts, *who, meter.name, mid, rid, ver, recv, volume))
    entries.sort()
    return entries


def _found(names: Names, entries: Iterable[_Entry]) -> list[FoundSample]:
    owner, version, meter = names.owner, names.version, names.meter
    return [
        FoundSample(
            derived_message_id(rid, mid, -ts), -ts, recv, volume, meter(mid), owner(rid), version(ver), None
        )
        for ts, _, _, _, mid, rid, ver, recv, volume in entries
    ]
