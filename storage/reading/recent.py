"""The newest samples where they all stand in `hot`: one statement, which is a snapshot by itself.

It is put with the numbers and watermarks of an earlier question, and finds out by itself whether they still hold. What
it cannot tell (late readings, deltas, tiles, names nobody has learned) is left to `storage.reading.newest`.
"""

import struct
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from storage.database import Database
from storage.names import Meter, Names, Owner, Version
from storage.packing import READING, derived_message_id
from storage.query import SampleQuery, Scope
from storage.reading.matching import Matching
from storage.reading.moment import Moment
from storage.reading.recent_statement import Statement
from storage.reading.selection import Selection, Value, times_of
from storage.reading.stored import FoundSample

FIRST_PAGE: Final = 256
SOON: Final = (
    FIRST_PAGE // 2
)  # samples that are found and written down in less time than it takes to wake a thread
KNOWN_MAX: Final = 10_000

_Key = tuple[Scope, str | None, str | None, str | None]
_Row = tuple[int, int, int, int, int, bytes]  # as in `hot`: rid, ts, part, ver, recv, vals
_Entry = tuple[int, str, str, str, int, int, int, int | float, Meter, Owner, Version]
_Places = list[tuple[int, int, Meter]]  # byte of a row's readings, and the meter there
# Statements with their values, each answered with its rows; returns as `Recent.find`.
_Search = Generator[tuple[str, Sequence[Value]], Sequence[Any], list[FoundSample] | None]

_REAL, _INTEGER = struct.Struct(">d").unpack_from, struct.Struct(">q").unpack_from
_ts, _order = itemgetter(1), itemgetter(0, 1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class _Known:
    """What questions led to, all in one moment.

    `reached`: how far back the last answer of so many samples to a question went, microseconds since 1970 UTC.
    """

    moment: Moment
    statements: dict[_Key, Statement] = field(default_factory=dict)
    reached: dict[tuple[SampleQuery, int], int] = field(default_factory=dict)


class Recent:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._matching = Matching()
        self._known: _Known | None = None

    def find(self, names: Names, query: SampleQuery, limit: int) -> list[FoundSample] | None:
        """As `Newest.find`; None where that has to be asked."""
        search = self._search(names, query, limit)
        try:
            put = next(search)
            while True:
                put = search.send(self._database.ask(*put))
        except StopIteration as end:
            return _answer(end)

    async def find_soon(self, names: Names, query: SampleQuery, limit: int) -> list[FoundSample] | None:
        """The same where an event loop can tell by one short statement; None where it cannot."""
        known = self._known
        if known is None or limit > SOON or not (_is_endless(query) or _open_part(query, known.moment)[2]):
            return None
        search = self._search(names, query, limit)
        try:
            rows = await self._database.ask_soon(*next(search))
            if rows is not None:
                search.send(rows)
        except StopIteration as end:
            return _answer(end)
        return None

    def _search(self, names: Names, query: SampleQuery, limit: int) -> _Search:
        known = self._known
        statement = None if known is None else known.statements.get(_key(query))
        if known is None or statement is None or query.message_id is not None:
            return None
        start, end, is_whole = _open_part(query, known.moment)
        is_endless = _is_endless(query)
        begin, page = known.reached.get((query, limit), 0) if is_endless else 0, FIRST_PAGE
        while page < 2 * limit:  # few sizes, so that servers know the statement
            page *= 2
        while True:
            rows = _rows((yield statement.put(max(start, begin), end, page)))
            if rows is None:
                return None
            cut = max(begin, rows[-1][1] + 1 if len(rows) == page else 0)
            whole = [row for row in rows if row[1] >= cut] if cut else rows
            entries = self._entries(names, query, whole, statement.mids, limit)
            if entries is None:
                return None
            if len(entries) >= limit:
                if is_endless and len(known.reached) < KNOWN_MAX:
                    known.reached[query, limit] = -entries[limit - 1][0]
                return _found(entries[:limit])
            if not cut:
                return _found(entries) if is_whole else None
            page, begin = page if begin else 4 * page, 0

    def remember(self, query: SampleQuery, moment: Moment, selection: Selection) -> None:
        """What a question led to in this moment."""
        known = self._known
        if known is None or known.moment != moment or len(known.statements) >= KNOWN_MAX:
            known = self._known = _Known(moment)
        known.statements[_key(query)] = Statement(moment, selection, self._database.dialect.mark)

    def _entries(
        self, names: Names, query: SampleQuery, rows: Sequence[_Row], mids: frozenset[int] | None, limit: int
    ) -> list[_Entry] | None:
        """The newest readings in complete rows, newest first: at least `limit` of them, if there are so many.

        None where rows compete for a reading, or a name is not learned.
        """
        try:
            columns = {part: _columns(names, part, mids) for part in {row[2] for row in rows}}
            good = self._matching.of(query, names, {row[3] for row in rows}) if query.looks_around else None
            return None if _compete(columns, rows) else _read(names, rows, columns, good, limit)
        except KeyError:
            return None


def _answer(end: StopIteration) -> list[FoundSample] | None:
    found: list[FoundSample] | None = end.value
    return found


def _rows(answered: Iterable[_Row]) -> list[_Row] | None:
    """The newest rows of `hot`, newest first; None when the moment is over, or others have to be looked at."""
    rows: list[_Row] = []
    for row in answered:
        if row[5] is not None:
            rows.append(row)
        elif row[0]:
            return None
    rows.sort(key=_ts, reverse=True)
    return rows


def _is_endless(query: SampleQuery) -> bool:
    return query.start is None and query.end is None


def _key(query: SampleQuery) -> _Key:
    return query.scope, query.project_id, query.resource_id, query.meter


def _open_part(query: SampleQuery, moment: Moment) -> tuple[int, int | None, bool]:
    """Between which times to read `hot`, and whether nothing else could hold readings."""
    start, end = times_of(query)
    begin = max(start or 0, 0, moment.marks.raw_from)
    sealed = moment.marks.sealed
    return max(begin, sealed), end, begin >= (sealed if end is None else min(end, sealed))


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
    return len(columns) > 1 and len({row[:2] for row in rows}) < len(rows)


def _read(
    names: Names,
    rows: Iterable[_Row],
    columns: Mapping[int, _Places],
    good: Mapping[int, bool] | None,
    limit: int,
) -> list[_Entry]:
    """The readings in rows that come newest first; raises KeyError for a name that is not learned."""
    entries: list[_Entry] = []
    last = -1
    for rid, ts, part, ver, recv, vals in rows:
        if ts != last and len(entries) >= limit:
            break
        last = ts
        if good is not None and not good[ver]:
            continue
        owner, version = names.owner(rid), names.version(ver)
        who = -ts, owner.resource_id, owner.project_id or ""
        for place, mid, meter in columns[part]:
            volume = (_REAL if meter.real else _INTEGER)(vals, place)[0]
            entries.append((*who, meter.name, mid, rid, recv, volume, meter, owner, version))
    entries.sort(key=_order)
    return entries


def _found(entries: Iterable[_Entry]) -> list[FoundSample]:
    return [
        FoundSample(derived_message_id(rid, mid, -ts), -ts, recv, volume, meter, owner, version, None)
        for ts, _, _, _, mid, rid, recv, volume, meter, owner, version in entries
    ]
