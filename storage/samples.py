"""Samples go in, once each, and come out newest first."""

from collections.abc import Sequence
from datetime import datetime

from storage.database import Database
from storage.intake import Intake
from storage.names import Names
from storage.query import SampleQuery, Scope
from storage.reading.newest import Newest
from storage.reading.recent import Recent
from storage.reading.searching import Search, Searching
from storage.reading.stored import FoundSample, as_sample
from storage.sample import StoredSample
from storage.tiles.kept_rows import KeptRows


class Samples(Intake):
    """The store of samples: an `Intake`, which is all that who only stores needs, that also finds them again."""

    def __init__(self, database: Database, kept_rows: KeptRows | None = None) -> None:
        super().__init__(database, kept_rows)
        self._names = Names()
        self._recent = Recent(database)

    def find(self, query: SampleQuery, limit: int) -> list[StoredSample]:
        """The newest samples that match, newest first; equal times by resource, project, meter and id."""
        return [as_sample(found) for found in self.newest(query, limit)]

    def newest(self, query: SampleQuery, limit: int) -> Sequence[FoundSample]:
        """The same as the store knows them: for many samples, which take longer to become objects than to find."""
        breaks = self._database.breaks
        found = self._recent.find(self._names.lent(breaks), query, limit)
        if found is not None and breaks == self._database.breaks:
            return found
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            newest = Newest(names)
            question = newest.ask(connection, query)
            found = [] if question is None else newest.find(connection, question, limit)
        if question is not None:
            self._recent.remember(names, query, question)
        return found

    async def newest_soon(self, query: SampleQuery, limit: int) -> Sequence[FoundSample] | None:
        """The same for an event loop, where one short statement tells; None where a thread has to ask for `newest`.

        It is the same object as before where the database gave the same rows.
        """
        return await self._recent.find_soon(self._names.lent(self._database.breaks), query, limit)

    def search(self, search: Search, limit: int, now: datetime) -> list[FoundSample]:
        """Those an expression is true of, in its order; raises TookTooLong when they are too few among too many."""
        return Searching(self._database, self._names).find(search, limit, now)

    def get(self, scope: Scope, message_id: str) -> StoredSample | None:
        """The sample of this id, or None when there is none in the scope."""
        found = self.find(SampleQuery(scope, message_id=message_id), 1)
        return found[0] if found else None
