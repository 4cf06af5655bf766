"""The readings a question asks for, each exactly once, whichever layer they are in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from sqlalchemy import Connection

from storage.columns import Columns, Figures, Wanted
from storage.directory import Directory
from storage.names import Meter, Names, Owner, Version
from storage.query import SampleQuery
from storage.reading.counted import Uncounted, totals
from storage.reading.hourly import hourly
from storage.reading.matching import matches
from storage.reading.moment import Moment, this_moment
from storage.reading.overdue import Overdue
from storage.reading.picked import pick, read_picked
from storage.reading.polled import delta_columns, explode, only, pages, polled
from storage.reading.sealed import sealed_columns
from storage.reading.selection import Selection, select_for, wanted_project
from storage.reading.strangers import Source, strange_groups, strange_places
from storage.reading.tiled import Piece
from storage.tables import delta, hot, late
from storage.tables_tiles import day_roll, day_tile, tile
from storage.watermarks import DAY, HOUR, Watermarks

Hours = tuple[int, int]  # two times between which to read
Dirty = frozenset[tuple[int, int]]  # groups and days with overdue readings


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its numbers, and how far maintenance was when it was asked.

    `selection` begins where samples begin, whatever is not deleted yet; `since` is where hourly figures do.
    """

    query: SampleQuery
    selection: Selection
    moment: Moment
    groups: Mapping[int, frozenset[int] | None]  # of each group the slots; None: all
    versions: bool
    since: int

    @property
    def marks(self) -> Watermarks:
        """How far maintenance was."""
        return self.moment.marks

    def piece(self, gid: int, start: int, end: int) -> Piece:
        """What to read of a group between two times."""
        return Piece(gid, self.selection.mids, self.groups[gid], start, end, self.versions)


class Reader:
    """Reads what `Samples` wrote and maintenance sealed, for one question: `names` are lent to it."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.moment: Moment | None = None  # of the last question

    def meter(self, mid: int) -> Meter:
        """The meter of readings just read."""
        return self.names.meter(mid)

    def owner(self, rid: int) -> Owner:
        """The resource of a reading just read."""
        return self.names.owner(rid)

    def version(self, ver: int) -> Version:
        """What a reading just read says beside its number."""
        return self.names.version(ver)

    def project_of(self, gid: int) -> str | None:
        """The project of figures of a whole group just read (None: nobody's)."""
        return self.names.project_of(gid)

    def columns(
        self, connection: Connection, query: SampleQuery, *, versions: bool = True
    ) -> Iterator[Columns]:
        """All readings that match, in any order; without `versions` (nobody looks at them) every `ver` is 0."""
        question = self.ask(connection, query, versions=versions)
        if question is not None:
            overdue = self.overdue(connection, question)
            found = overdue.join(self._everything(connection, question))
            yield from self.named(connection, question, found)

    def figures(
        self, connection: Connection, query: SampleQuery, wanted: Wanted
    ) -> Iterator[Columns | Figures]:
        """All readings that match, counted before where that will do; no `ver` may be looked at.

        Before `raw_from` there are only hourly figures: hours that the question or a period cuts are left out there.
        """
        if query.user_id is not None or query.source is not None or query.metadata or query.message_id:
            yield from self.columns(connection, query)
            return
        question = self.ask(connection, query, versions=False)
        if question is None:
            return
        self.names.learn_meters(connection, question.selection.mids or ())
        self.names.learn_projects(connection, question.groups)
        overdue = self.overdue(connection, question)
        start, end = _sealed_since(question, question.since)
        first, last = start + -start % HOUR, end - end % HOUR
        if first >= last or not wanted.divides(HOUR):
            found = self._everything(connection, question)
            yield from self.named(connection, question, overdue.join(found))
            return
        uncounted: list[Uncounted] = []
        read: list[Columns] = []
        for one in self._counted(connection, question, wanted, overdue.days, (first, last)):
            if isinstance(one, Figures):
                yield one
            elif isinstance(one, Columns):
                read.append(one)
            elif one.start >= question.marks.raw_from:
                uncounted.append(one)
        rest = self._rest(connection, question, uncounted, (start, end), (first, last))
        yield from self.named(connection, question, overdue.join(chain(read, rest)))

    def matching(self, connection: Connection, query: SampleQuery, found: Columns) -> Columns:
        """Those of the readings whose user, source and metadata are what the question names."""
        versions = np.unique(found.ver).tolist()
        self.names.learn_versions(connection, versions)
        good = [ver for ver in versions if matches(query, self.names.version(ver))]
        return found if len(good) == len(versions) else only(found, np.isin(found.ver, good))

    def ask(self, connection: Connection, query: SampleQuery, *, versions: bool) -> Question | None:
        """The question in numbers, and how far maintenance is; None when nothing can match."""
        moment, has_strangers = this_moment(connection, _doubts(query, self.names.directory))
        if has_strangers:
            self.names.begin_anew()
        self.moment, marks, directory = moment, moment.marks, self.names.directory
        selection = select_for(connection, query, moment, directory)
        if selection.is_empty:
            return None
        asked = max(selection.start or 0, 0)
        if marks.raw_from > asked:
            selection = replace(selection, start=marks.raw_from)
        groups: Mapping[int, frozenset[int] | None]
        if selection.slots is not None:
            groups = selection.slots
        else:
            gids = directory.groups(connection, moment, None) if selection.gids is None else selection.gids
            groups = dict.fromkeys(sorted(gids))
        return Question(query, selection, moment, groups, versions, max(asked, marks.hourly_from))

    def overdue(self, connection: Connection, question: Question) -> Overdue:
        """The late readings of a question."""
        selection = question.selection
        if not question.moment.has_late:
            return Overdue(self.names, ())
        rows = chain.from_iterable(polled(connection, late, selection.sql(late, "%s")))
        return Overdue(self.names, explode(connection, self.names, rows, selection.mids))

    def _everything(self, connection: Connection, question: Question) -> Iterator[Columns]:
        """All readings but those that are overdue."""
        yield from self.rows(connection, question)
        for gid in question.groups:
            piece = question.piece(gid, *sealed_part(question))
            yield from self.sealed(connection, piece, question.marks)

    def rows(
        self, connection: Connection, question: Question, counted: Hours | None = None
    ) -> Iterator[Columns]:
        """The readings that are not sealed and not late.

        Also older delta samples of the hours that are `counted`: they leave figures behind only when they are deleted.
        """
        selection = question.selection
        open_hours = replace(selection, start=max(selection.start or 0, question.marks.sealed))
        if selection.end is None or selection.end > question.marks.sealed:
            yield from self._open_hours(connection, replace(question, selection=open_hours))
        if self.may_have_deltas(connection, question):
            yield from self._deltas(connection, question, counted)

    def _open_hours(self, connection: Connection, question: Question) -> Iterator[Columns]:
        selection = question.selection
        condition = selection.sql(hot, "%s")
        if connection.dialect.name == "postgresql" and not question.versions and selection.mids is not None:
            self.names.learn_shapes(connection, selection.parts or ())
            gids = frozenset(question.groups)
            picked = pick(self.names, selection.parts, selection.mids, gids, by_resource=True)
            if picked is not None:
                yield from read_picked(connection, self.names, picked, condition)
                return
        for rows in polled(connection, hot, condition, versions=question.versions):
            yield from explode(connection, self.names, rows, selection.mids)

    def _deltas(self, connection: Connection, question: Question, counted: Hours | None) -> Iterator[Columns]:
        selection, raw_from = question.selection, question.marks.raw_from
        start, end = counted or (raw_from, raw_from)
        if start < raw_from:
            selection = replace(selection, start=start)
        for page in pages(connection, delta, selection.sql(delta, "%s")):
            for found in delta_columns(connection, self.names, page):
                yield only(found, (found.ts < end) | (found.ts >= raw_from)) if end < raw_from else found

    def may_have_deltas(self, connection: Connection, question: Question) -> bool:
        """Whether a row of `delta` could be asked for."""
        mids = question.selection.mids
        if mids is None or not question.moment.has_delta:
            return question.moment.has_delta
        self.names.learn_meters(connection, mids)
        return any(self.names.meter(mid).type == "delta" for mid in mids)

    def sealed(self, connection: Connection, piece: Piece, marks: Watermarks) -> Iterator[Columns]:
        """The readings of a piece in tiles of days and hours."""
        piece = replace(piece, start=max(piece.start, marks.raw_from))
        if piece.start >= piece.end:
            return
        if piece.start < marks.sealed - marks.sealed % DAY:
            yield from sealed_columns(connection, self.names, day_tile, piece)
        hours = replace(piece, start=max(piece.start, marks.compacted))
        if hours.start < hours.end:
            yield from sealed_columns(connection, self.names, tile, hours)

    def _counted(
        self, connection: Connection, question: Question, wanted: Wanted, dirty: Dirty, hours: Hours
    ) -> Iterator[Columns | Figures | Uncounted]:
        """Figures of whole hours, or what has none."""
        start, end = hours
        selection = question.selection
        names, groups, span = (
            self.names,
            question.groups,
            Piece(0, selection.mids, None, start, end, versions=False),
        )
        coarse = not wanted.by_resource and selection.rids is None and not wanted.spread
        recent = replace(span, start=max(start, question.marks.compacted))
        if coarse:
            yield from totals(connection, names, tile, groups, recent, wanted, dirty)
        else:
            for gid in groups:
                piece = question.piece(gid, recent.start, end)
                yield from sealed_columns(connection, names, tile, piece)
        edges = [(start, end)]
        first, last = start + -start % DAY, end - end % DAY
        if coarse and wanted.divides(DAY) and first < last:
            whole = replace(span, start=first, end=last)
            yield from totals(connection, names, day_roll, groups, whole, wanted, dirty)
            edges = [(start, first), (last, end)]
        over = question.marks.sealed - question.marks.sealed % DAY  # no later day is compacted
        for begin, until in edges:
            pieces = [question.piece(gid, begin, until) for gid in groups if begin < over]
            yield from hourly(connection, names, pieces, dirty, spread=wanted.spread)

    def _rest(
        self,
        connection: Connection,
        question: Question,
        uncounted: Iterable[Uncounted],
        sealed: Hours,
        counted: Hours,
    ) -> Iterator[Columns]:
        """The readings that no figure counts: of open hours, of cut ones, and where figures will not do."""
        yield from self.rows(connection, question, counted)
        for start, end in ((sealed[0], counted[0]), (counted[1], sealed[1])):
            for gid in question.groups:
                yield from self.sealed(connection, question.piece(gid, start, end), question.marks)
        for one in uncounted:
            piece = replace(question.piece(one.gid, one.start, one.end), mids=frozenset((one.mid,)))
            yield from sealed_columns(connection, self.names, one.table, piece)

    def named(
        self, connection: Connection, question: Question, found: Iterable[Columns]
    ) -> Iterator[Columns]:
        """What matches, its names learned."""
        for one in found:
            chosen = self.matching(connection, question.query, one) if question.versions else one
            if len(chosen.ts):
                self.names.learn_meters(connection, (one.mid,))
                last = np.flatnonzero(np.diff(chosen.rid, append=-1))  # of each run: few numbers to look at
                self.names.learn_owners(connection, chosen.rid[last].tolist())
                yield chosen


def _doubts(query: SampleQuery, directory: Directory) -> list[Source]:
    """Where somebody would have to be for what is remembered of a question's names to be wrong."""
    project_id = wanted_project(query)
    if query.resource_id is None:
        return strange_groups(directory.last_groups(project_id), project_id, "%s")
    places = directory.last_places(query.resource_id, project_id)
    return strange_places(places, query.resource_id, project_id, "%s")


def sealed_part(question: Question) -> Hours:
    """The times of a question that tiles hold."""
    return _sealed_since(question, max(question.selection.start or 0, 0))


def _sealed_since(question: Question, start: int) -> Hours:
    end, sealed = question.selection.end, question.marks.sealed
    if not question.selection.polled:  # no tile holds a delta sample
        return start, start
    return start, max(start, min(sealed if end is None else end, sealed))
