"""The newest samples where they all stand in `hot`: one statement, which is a snapshot by itself.

It is put with the numbers and watermarks of an earlier question, and finds out by itself whether they still hold. What
it cannot tell (late readings, deltas, tiles, names nobody has learned) is left to `storage.reading.newest`.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from storage.database import Database
from storage.directory import Directory
from storage.names import Names
from storage.query import SampleQuery, Scope
from storage.reading.matching import Asked, Matching, around
from storage.reading.moment import Moment
from storage.reading.readings import Question
from storage.reading.recent_rows import Familiar, Wanted
from storage.reading.recent_statement import Statement, Value
from storage.reading.selection import Selection, times_of
from storage.reading.stored import FoundSample
from storage.reading.strangers import strangers_in

FIRST_PAGE: Final = 256
SOON: Final = (
    FIRST_PAGE // 2
)  # samples that are found and written down in less time than it takes to wake a thread
KNOWN_MAX: Final = 10_000
PAGES_MAX: Final = 200  # of up to SOON samples and the rows they were in: 100 KB

_Key = tuple[Scope, str | None, str | None, str | None]
_Wanted = tuple[
    _Key, Asked, int, int
]  # what a page is read for: with how many samples and rows; not the times
# Statements with their values, each answered with its rows; returns as `Recent.find`.
_Search = Generator[tuple[str, Sequence[Value]], Sequence[Any], Sequence[FoundSample] | None]


class _Page(NamedTuple):
    """What a statement gave, and what was made of it, which stays so as long as it gives the same.

    `found` are the newest samples, all of those from `cut` on, microseconds since 1970 UTC (0: of the time asked for).
    """

    answered: Sequence[Any]
    found: Sequence[FoundSample]
    cut: int


@dataclass(frozen=True, slots=True)
class _Known:
    """What questions led to, all in one moment, and by numbers that were learned together with `directory`.

    `reached`: how far back the last answer of so many samples to a question went, microseconds since 1970 UTC.
    """

    moment: Moment
    directory: Directory
    statements: dict[_Key, Statement] = field(default_factory=dict)
    reached: dict[tuple[SampleQuery, int], int] = field(default_factory=dict)
    pages: dict[_Wanted, _Page] = field(default_factory=dict)

    def keep(self, wanted: _Wanted, page: _Page) -> None:
        """Keeps a page of few samples."""
        if len(page.found) <= SOON:
            if len(self.pages) >= PAGES_MAX:
                self.pages.clear()
            self.pages[wanted] = page


class Recent:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._matching = Matching()
        self._familiar = Familiar()
        self._known: _Known | None = None

    def find(self, names: Names, query: SampleQuery, limit: int) -> Sequence[FoundSample] | None:
        """As `Newest.find`; None where that has to be asked."""
        search = self._search(names, query, limit, is_short=False)
        try:
            put = next(search)
            while True:
                put = search.send(self._database.ask(*put))
        except StopIteration as end:
            return _answer(end)

    async def find_soon(self, names: Names, query: SampleQuery, limit: int) -> Sequence[FoundSample] | None:
        """The same where an event loop can tell by one short statement; None where it cannot."""
        if limit > SOON:
            return None
        search = self._search(names, query, limit, is_short=True)
        try:
            rows = await self._database.ask_soon(*next(search))
            if rows is not None:
                search.send(rows)
        except StopIteration as end:
            return _answer(end)
        return None

    def _search(self, names: Names, query: SampleQuery, limit: int, *, is_short: bool) -> _Search:
        """As `find`; a short one ends before it asks where one statement will not do."""
        known, key = self._known, _key(query)
        statement = None if known is None else known.statements.get(key)
        if known is None or statement is None or query.message_id is not None:
            return None
        if known.directory is not names.directory:
            return None
        start, end, is_whole = _open_part(query, known.moment)
        is_endless = query.start is None and query.end is None
        if is_short and not (is_endless or is_whole):
            return None
        begin, page = known.reached.get((query, limit), 0) if is_endless else 0, FIRST_PAGE
        while page < 2 * limit:  # few sizes, so that servers know the statement
            page *= 2
        said = around(query)
        while True:
            answered = yield statement.put(max(start, begin), end, page)
            wanted = key, said, limit, page
            read = known.pages.get(wanted)
            if read is None or read.answered != answered:
                read = self._read(names, query, answered, (statement, limit, page))
                if read is None:
                    return None
                known.keep(wanted, read)
            if len(read.found) >= limit:
                if is_endless and len(known.reached) < KNOWN_MAX:
                    known.reached[query, limit] = read.found[-1].ts
                return read.found
            if not (begin or read.cut):
                return read.found if is_whole else None
            page, begin = page if begin else 4 * page, 0

    def remember(self, names: Names, query: SampleQuery, asked: Question) -> None:
        """What a question led to in its moment; one of a single sample leads to nothing that others want."""
        if query.message_id is not None:
            return
        known, mids = self._known, asked.selection.mids
        if known is None or known.directory is not names.directory:
            self._matching, self._familiar, known = Matching(), Familiar(), None
        if known is None or known.moment != asked.moment or len(known.statements) >= KNOWN_MAX:
            known = self._known = _Known(asked.moment, names.directory)
        is_polled = mids is not None and all(names.is_polled(mid) for mid in mids)
        dialect, selection = self._database.dialect, asked.selection
        others = strangers_in(query, selection, dialect.mark)
        place = _place(names, selection)
        statement = Statement(asked.moment, selection, dialect, others, is_polled=is_polled, place=place)
        known.statements[_key(query)] = statement

    def _read(
        self,
        names: Names,
        query: SampleQuery,
        answered: Sequence[Any],
        of: tuple[Statement, int, int],
    ) -> _Page | None:
        """The newest samples, so many, that a page of so many rows holds. Long answers leave nothing behind.

        None when the moment is over, others have to be looked at, or a name is not learned.
        """
        statement, limit, page = of
        familiar = self._familiar if limit <= SOON else Familiar()
        try:
            rows = statement.rows(names, answered)
            if rows is None:
                return None
            cut = rows[-1][1] + 1 if len(rows) == page else 0
            whole = [row for row in rows if row[1] >= cut] if cut else rows
            good = self._matching.of(query, names, {row[3] for row in whole}) if query.looks_around else None
            found = familiar.newest(
                names, whole, Wanted(statement.mids, good, statement.place is not None), limit
            )
        except KeyError:
            return None
        return None if found is None else _Page(answered, found[:limit], cut)


def _answer(end: StopIteration) -> Sequence[FoundSample] | None:
    found: Sequence[FoundSample] | None = end.value
    return found


def _key(query: SampleQuery) -> _Key:
    return query.scope, query.project_id, query.resource_id, query.meter


def _place(names: Names, selection: Selection) -> int | None:
    """Where the only wanted reading of each row stands, if all rows are of one shape that has one wanted meter."""
    parts, mids = selection.parts, selection.mids
    if mids is None or parts is None or len(parts) != 1:
        return None
    with suppress(KeyError):  # a shape that is not learned
        wanted = [place for place, mid in enumerate(names.mids_of(*parts)) if mid in mids]
        return wanted[0] if len(wanted) == 1 else None
    return None


def _open_part(query: SampleQuery, moment: Moment) -> tuple[int, int | None, bool]:
    """Between which times to read `hot`, and whether nothing else could hold readings."""
    start, end = times_of(query)
    begin = max(start or 0, 0, moment.marks.raw_from)
    sealed = moment.marks.sealed
    return max(begin, sealed), end, begin >= (sealed if end is None else min(end, sealed))
