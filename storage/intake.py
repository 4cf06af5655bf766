"""Samples go in, once each (`storage.samples` finds them again)."""

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
from storage.packing import derived_message_id
from storage.quarantine import keep
from storage.query import Stored
from storage.sample import Refused, Sample, to_microseconds
from storage.tiles.kept_rows import KeptRows

Beside = Callable[[Connection], None]


def nothing_else(connection: Connection) -> None:
    """Writes nothing beside samples."""


def both(first: Beside, second: Beside) -> Beside:
    """Writes the one, then the other."""

    def write(connection: Connection) -> None:
        first(connection)
        second(connection)

    return write


@dataclass(frozen=True, slots=True)
class _Done:
    """What a transaction did; `versions` are the numbers of those it wrote, by digest.

    `opened` are the rows it wrote to `hot`, if all of them were new.
    """

    stored: Stored
    opened: Rows | None
    versions: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows, whose numbers they have, and how often connections had broken before they got them."""

    numbered: Numbered
    dimensions: Dimensions
    breaks: int


class Intake:
    """Where samples come to rest. Whoever seals them gets its rows by `kept_rows` and need not read them then."""

    def __init__(self, database: Database, kept_rows: KeptRows | None = None) -> None:
        self._database = database
        self._kept_rows = kept_rows
        self._dimensions, self._breaks = Dimensions(database), 0

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
            breaks = self._database.breaks
            dimensions = self._known(breaks)
            numbered = _Batch(number(batch, dimensions, received), dimensions, breaks)
            reach("ingest.numbered")
            work = partial(self._write, batch=numbered, refused=refused, beside=beside)
            stored = self._database.write_retrying(work)
            if stored is None:
                continue
            if isinstance(stored, _Done):
                dimensions.versions.remember(stored.versions)
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
        dimensions = self._known(self._database.breaks)
        places = dimensions.places([resource_key(sample) for sample in samples])
        mids = dimensions.meters([meter_key(sample) for sample in samples])
        return [
            str(uuid.UUID(bytes=sample.id))
            if sample.id is not None
            else derived_message_id(place.rid, mid, to_microseconds(sample.timestamp))
            for sample, place, mid in zip(samples, places, mids, strict=True)
        ]

    def _known(self, breaks: int) -> Dimensions:
        """The numbers of names, learned anew where connections broke: behind the next one may be what was restored."""
        if breaks != self._breaks:
            self._dimensions, self._breaks = Dimensions(self._database), breaks
        return self._dimensions

    def _write(
        self, connection: Connection, batch: _Batch, refused: Sequence[Refused], beside: Beside
    ) -> _Done | int | None:
        """What became of the rows; or where the retention begins, and nothing written, when some are older.

        None, and nothing written, where connections broke since they got their numbers.
        """
        if self._database.breaks != batch.breaks:
            return None
        closed, raw_from = watermarks.hold(connection)
        if batch.numbered.earliest < raw_from:
            return raw_from
        beside(connection)
        keep(connection, refused)
        versions = batch.dimensions.versions.write(connection, batch.numbered.new)
        numbered = batch.numbered.with_versions(versions)
        stored, opened = insert(connection, self._database.dialect, numbered, closed)
        reach("ingest.before_commit")
        return _Done(stored, opened, versions)
