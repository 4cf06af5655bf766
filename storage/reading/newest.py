"""The newest samples that match, without reading more than it takes to find them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, func, select

from storage.columns import Columns
from storage.names import Names
from storage.query import SampleQuery
from storage.reading.overdue import Overdue
from storage.reading.polled import delta_columns, explode, only, sorted_out
from storage.reading.readings import Question, Reader, sealed_part
from storage.reading.selection import Selection
from storage.reading.stored import FoundSample, found_samples, newest_first
from storage.tables import delta, hot
from storage.tables_tiles import STAMPS, day_tile, tile
from storage.watermarks import DAY, HOUR

FIRST_PAGE = 200
GROUPS_A_STATEMENT = 500


class Newest:
    """Finds the newest samples. What is known is complete from `bound` on, which moves back until it is enough."""

    def __init__(self, names: Names) -> None:
        self._reader = Reader(names)
        self._names = names

    def ask(self, connection: Connection, query: SampleQuery) -> Question | None:
        """The question in numbers; None when nothing can match."""
        return self._reader.ask(connection, query, versions=True)

    def find(self, connection: Connection, question: Question, limit: int) -> list[FoundSample]:
        """At most `limit` samples that match, newest first; equal times by resource, meter and id."""
        overdue = self._reader.overdue(connection, question)
        page = max(FIRST_PAGE, 2 * limit)
        rows, rows_to = self._rows(connection, question, overdue, page)
        spans = self._spans(connection, question)
        sealed: list[Columns] = []
        tiles_to = sealed_part(question)[1]
        while True:
            bound = max(rows_to, tiles_to)
            late = self._matching(connection, question, overdue.rest())
            found = _since(bound, (*rows, *sealed, *late))
            if sum(len(one.ts) for one in found) >= limit or bound <= 0:
                return self._samples(connection, found, limit)
            if rows_to >= tiles_to:
                page *= 4
                rows, rows_to = self._rows(connection, question, overdue, page)
            else:
                start, end = next(spans, (0, 0))
                sealed += self._tiles(connection, question, overdue, (start, end))
                tiles_to = start

    def _rows(
        self, connection: Connection, question: Question, overdue: Overdue, page: int
    ) -> tuple[list[Columns], int]:
        """What the newest rows hold, and from when on that is everything."""
        selection, cut = question.selection, 0
        open_hours = replace(selection, start=max(selection.start or 0, question.marks.sealed))
        found: list[Columns] = []
        tables = [(hot, open_hours)]
        if self._reader.may_have_deltas(connection, question):
            tables.append((delta, selection))
        for table, some in tables:
            rows = _newest_rows(connection, table, some, page)
            if len(rows) == page:
                cut = max(cut, rows[-1].ts + 1)
            if table is hot:
                found += explode(connection, self._names, sorted_out(rows), selection.mids)
            else:
                found += delta_columns(connection, self._names, rows)
        # A cut time may lack its first reading: it is not looked at before it is whole.
        met = overdue.join(_since(cut, found), rest=False)
        return self._matching(connection, question, met), cut

    def _tiles(
        self, connection: Connection, question: Question, overdue: Overdue, span: tuple[int, int]
    ) -> list[Columns]:
        found: list[Columns] = []
        for gid in question.groups if span[0] < span[1] else ():
            sealed = self._reader.sealed(connection, question.piece(gid, *span), question.marks)
            met = overdue.join(sealed, rest=False)
            found += self._matching(connection, question, met)
        return found

    def _matching(
        self, connection: Connection, question: Question, found: Iterable[Columns]
    ) -> list[Columns]:
        """What matches; names are learned of those that are answered, at the end."""
        if not question.query.looks_around:
            return list(found)
        return [self._reader.matching(connection, question.query, one) for one in found]

    def _spans(self, connection: Connection, question: Question) -> Iterator[tuple[int, int]]:
        """Longer and longer times back to the oldest tile, in whole days where there are day tiles."""
        start, end = sealed_part(question)
        if start >= end:
            return
        start = max(start, self._oldest(connection, question.groups))
        length = HOUR
        while start < end:
            begin = end - length
            if begin < question.marks.compacted:
                begin -= begin % DAY
            begin = max(begin, start)
            yield begin, end
            end, length = begin, 2 * length

    def _oldest(self, connection: Connection, gids: Iterable[int]) -> int:
        some, oldest = list(gids), []
        for at in range(0, len(some), GROUPS_A_STATEMENT):
            for table in (day_tile, tile):
                first = select(func.min(table.c.start)).where(
                    table.c.gid.in_(some[at : at + GROUPS_A_STATEMENT]), table.c.mid == STAMPS
                )
                found = connection.execute(first).scalar()
                if found is not None:
                    oldest.append(int(found))
        return min(oldest, default=2**62)

    def _samples(self, connection: Connection, found: Sequence[Columns], limit: int) -> list[FoundSample]:
        """The newest of complete readings."""
        times = np.concatenate([one.ts for one in found]) if found else np.zeros(0, np.int64)
        if len(times) > limit:
            found = _since(int(np.partition(times, -limit)[-limit]), found)
        self._names.learn_meters(connection, [one.mid for one in found])
        self._names.learn_owners(connection, {rid for one in found for rid in one.rid.tolist()})
        self._names.learn_versions(connection, {ver for one in found for ver in one.ver.tolist()})
        samples = [sample for one in found for sample in found_samples(self._names, one)]
        return sorted(samples, key=newest_first)[:limit]


def _newest_rows(connection: Connection, table: Table, some: Selection, page: int) -> Sequence[Any]:
    """The newest rows of a table, at most a page of them."""
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    condition, values = some.sql(table, mark)
    columns = ", ".join(column.name for column in table.columns)
    newest = f"SELECT {columns} FROM {table.name} WHERE {condition} ORDER BY ts DESC LIMIT {page}"  # noqa: S608 - ours
    return connection.exec_driver_sql(newest, values).all()


def _since(bound: int, found: Iterable[Columns]) -> list[Columns]:
    some = (only(one, one.ts >= bound) for one in found)
    return [one for one in some if len(one.ts)]
