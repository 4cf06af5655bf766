"""The samples of a span of time, whoever they belong to, in one order that everybody finds them in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, select

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery
from storage.reading.readings import Question, Reader, sealed_part
from storage.reading.stored import as_sample, found_samples
from storage.sample import Sample
from storage.tables import meter

GROUPS_NAMED = 2000  # more than so many groups are not worth naming in a statement


class Window:
    """Reads all samples of some meters between two times."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names()

    def meters(self) -> frozenset[str]:
        """The names of all meters there are."""
        with self._database.read() as connection:
            return frozenset(connection.execute(select(meter.c.name).distinct()).scalars())

    def samples(self, wanted: Callable[[str], bool], start: datetime, end: datetime) -> list[Sample]:
        """The samples of start <= t < end whose meter is `wanted`, by time, meter, project, resource and id."""
        names = self._names.lent()
        reader = Reader(names)
        with self._database.snapshot() as connection:
            query = SampleQuery(EVERYTHING, start=start, end=end)
            question = self._narrowed(connection, reader.ask(connection, query, versions=True), wanted)
            if question is None:
                return []
            overdue = reader.overdue(connection, question)
            sealed = (
                reader.sealed(connection, question.piece(gid, *sealed_part(question)), question.marks)
                for gid in question.groups
            )
            every = overdue.join(chain(reader.rows(connection, question), chain.from_iterable(sealed)))
            named = list(reader.named(connection, question, every))
        found = [as_sample(one).sample for columns in named for one in found_samples(names, columns)]
        return sorted(found, key=_place)

    def _narrowed(
        self, connection: Connection, question: Question | None, wanted: Callable[[str], bool]
    ) -> Question | None:
        """The question with only the meters that are wanted; None when there are none."""
        if question is None:
            return None
        rows = connection.execute(select(meter.c.mid, meter.c.name))
        mids = frozenset(mid for mid, name in rows if wanted(name))
        if not mids:
            return None
        parts = self._names.directory.parts(connection, question.moment, mids)
        gids = frozenset(question.groups) if len(question.groups) <= GROUPS_NAMED else None
        return replace(question, selection=replace(question.selection, mids=mids, parts=parts, gids=gids))


def _place(sample: Sample) -> tuple[object, ...]:
    return (
        sample.timestamp,
        sample.meter,
        sample.project_id or "",
        sample.resource_id,
        sample.id or b"",
        sample.unit,
        sample.type,
    )
