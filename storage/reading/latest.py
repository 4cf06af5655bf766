"""The newest reading of each series, without reading more than it takes to find them."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, select

from storage.columns import Columns
from storage.names import Names
from storage.query import SampleQuery
from storage.reading.readings import Question, Reader, sealed_part
from storage.tables import series
from storage.tables_tiles import seen
from storage.tiles.sightings import unpack_sightings
from storage.watermarks import DAY, HOUR

Key = tuple[int, int]  # resource and meter


class Latest:
    """Reads back in time, group by group, until every series of a question was met."""

    def __init__(self, names: Names) -> None:
        self._reader = Reader(names)
        self._names = names

    def find(self, connection: Connection, query: SampleQuery) -> Iterator[Columns]:
        """Readings that match, among them the newest of each resource and meter; no order."""
        if query.looks_around or query.message_id is not None:
            yield from self._reader.columns(connection, query)
            return
        question = self._reader.ask(connection, query, versions=True)
        if question is None:
            return
        overdue = self._reader.overdue(connection, question)
        missing = self._series(connection, question)
        for found in self._reader.named(
            connection, question, overdue.join(self._reader.rows(connection, question), rest=False)
        ):
            _strike(missing, found)
            yield found
        for gid in sorted({gid for gid, keys in missing.items() if keys}):
            for span in self._spans(connection, question, gid, missing[gid]):
                sealed = self._reader.sealed(connection, question.piece(gid, *span), question.marks)
                met = overdue.join(sealed, rest=False)
                for found in self._reader.named(connection, question, met):
                    _strike(missing, found)
                    yield found
        yield from self._reader.named(connection, question, overdue.rest())

    def _series(self, connection: Connection, question: Question) -> dict[int, set[Key]]:
        """The series there are, by group."""
        shapes = select(series.c.gid, series.c.rid, series.c.part).where(
            series.c.gid.in_(list(question.groups))
        )
        if question.selection.rids is not None:
            shapes = shapes.where(series.c.rid.in_(sorted(question.selection.rids)))
        rows = connection.execute(shapes).all()
        self._names.learn_shapes(connection, {row.part for row in rows})
        mids = question.selection.mids
        found: dict[int, set[Key]] = {}
        for gid, rid, part in rows:
            some = (mid for mid in self._names.mids_of(part) if mids is None or mid in mids)
            found.setdefault(gid, set()).update((rid, mid) for mid in some)
        return found

    def _spans(
        self, connection: Connection, question: Question, gid: int, missing: set[Key]
    ) -> Iterator[tuple[int, int]]:
        """Times to read for the series that are missing still, the latest first; longer and longer ones."""
        start, end = sealed_part(question)
        body = connection.execute(select(seen.c.body).where(seen.c.gid == gid)).scalar()
        if body is None:
            return
        sightings = unpack_sightings(body)
        slots = self._names.slots(connection, {rid for rid, _ in missing}).get(gid, {})
        start = max(start, int(sightings.first[sightings.first >= 0].min(initial=2**62)) // DAY * DAY)
        length = HOUR
        while start < end and missing:
            last = max((int(sightings.last[slots[rid]]) for rid, _ in missing if rid in slots), default=-1)
            end = min(end, last + 1)
            begin = (end - length) // HOUR * HOUR
            if begin < question.marks.compacted:
                begin = begin // DAY * DAY
            if start < end:
                yield max(begin, start), end
            end, length = begin, 2 * length


def _strike(missing: dict[int, set[Key]], found: Columns) -> None:
    keys = missing.get(found.gid)
    if keys:
        keys.difference_update((rid, found.mid) for rid in np.unique(found.rid).tolist())
