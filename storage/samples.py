"""Samples go in, once each, and come out newest first."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from storage import watermarks
from storage.database import Database
from storage.faults import reach
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.ingest.dimensions import Dimensions, meter_key, resource_key
from storage.ingest.rows import Rows
from storage.ingest.too_old import older, refuse
from storage.ingest.writing import Numbered, insert, number
from storage.names import Names
from storage.packing import derived_message_id
from storage.quarantine import keep
from storage.query import SampleQuery, Scope, Stored
from storage.reading.newest import Newest
from storage.reading.recent import Recent
from storage.reading.stored import FoundSample, as_sample
from storage.sample import Refused, Sample, StoredSample, to_microseconds
from storage.tiles.kept_rows import KeptRows

Beside = Callable[[Connection], None]


def nothing_else(connection: Connection) -> None:
    """Writes nothing beside samples."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a transaction did; `versions` are the numbers of those it wrote, by digest.

    `opened` are the rows it wrote to `hot`, if all of them were new.
    """

    stored: Stored
    opened: Rows | None
    versions: Mapping[bytes, int]


class Samples:
    """The store of samples. Whoever seals them gets the rows it stored by `kept_rows`, which need not be read then."""

    def __init__(self, database: Database, kept_rows: KeptRows | None = None) -> None:
        self._database = database
        self._kept_rows = kept_rows
        self._dimensions = Dimensions(database)
        self._names = Names()
        self._recent = Recent(database)

    def store(
        self, samples: Sequence[Sample], refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        """Keeps samples as `store_batch` does. They must be normalized."""
        return self.store_batch(arrange(samples), refused, received_at=received_at)

    def store_batch(
        self,
        batch: SampleBatch,
        refused: Sequence[Refused] = (),
        *,
        received_at: datetime,
        beside: Beside = nothing_else,
    ) -> Stored:
        """Keeps a batch in one transaction; what is already there stays as it is (the first reading wins).

        Readings of hours that are closed go to `late` and count as new, although their like may stand in a
        sealed layer: readers drop them there. Readings older than the retention go to quarantine, in the same
        transaction, and count as nothing: by them `new + duplicates` is less than the batch. `beside` writes
        something else in the same transaction; it is called again when that has to be tried again.

        Raises DatabaseUnavailable (try the same batch again, also when the outcome of the commit is unknown) or
        DataRefused (nothing was kept; bisect).
        """
        received = to_microseconds(received_at)
        too_old: tuple[Refused, ...] = ()
        kept_from: int | None = None
        while len(batch) or refused:
            numbered = number(batch, self._dimensions, received)
            reach("ingest.numbered")
            work = partial(self._write, numbered=numbered, refused=refused, beside=beside)
            stored = self._database.write_retrying(work)
            if isinstance(stored, _Done):
                self._dimensions.versions.remember(stored.versions)
                if self._kept_rows is not None and stored.opened is not None:
                    self._kept_rows.keep(stored.opened)
                return replace(stored.stored, too_old=too_old, kept_from=kept_from)
            kept_from = stored
            batch, old = older(batch, kept_from)
            found = refuse(old, kept_from, received_at)
            refused, too_old = [*refused, *found], (*too_old, *found)
        if beside is not nothing_else:
            self._database.write_retrying(beside)
        return Stored(0, 0, 0)

    def identify(self, samples: Sequence[Sample]) -> list[str]:
        """The message id of each sample, in order; raises as `store` does."""
        places = self._dimensions.places([resource_key(sample) for sample in samples])
        mids = self._dimensions.meters([meter_key(sample) for sample in samples])
        return [
            str(uuid.UUID(bytes=sample.id))
            if sample.id is not None
            else derived_message_id(place.rid, mid, to_microseconds(sample.timestamp))
            for sample, place, mid in zip(samples, places, mids, strict=True)
        ]

    def find(self, query: SampleQuery, limit: int) -> list[StoredSample]:
        """The newest samples that match, newest first; equal times by resource, project, meter and id."""
        return [as_sample(found) for found in self.newest(query, limit)]

    def newest(self, query: SampleQuery, limit: int) -> Sequence[FoundSample]:
        """The same as the store knows them: for many samples, which take longer to become objects than to find."""
        found = self._recent.find(self._names, query, limit)
        if found is not None:
            return found
        names = self._names.lent()
        with self._database.snapshot() as connection:
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
        return await self._recent.find_soon(self._names, query, limit)

    def get(self, scope: Scope, message_id: str) -> StoredSample | None:
        """The sample of this id, or None when there is none in the scope."""
        found = self.find(SampleQuery(scope, message_id=message_id), 1)
        return found[0] if found else None

    def _write(
        self, connection: Connection, numbered: Numbered, refused: Sequence[Refused], beside: Beside
    ) -> _Done | int:
        """What became of the rows; or where the retention begins, and nothing written, when some are older."""
        closed, raw_from = watermarks.hold(connection)
        if numbered.earliest < raw_from:
            return raw_from
        beside(connection)
        keep(connection, refused)
        versions = self._dimensions.versions.write(connection, numbered.new)
        numbered = numbered.with_versions(versions)
        stored, opened = insert(connection, self._database.dialect, numbered, closed)
        reach("ingest.before_commit")
        return _Done(stored, opened, versions)
