"""Samples go in, once each, and come out newest first."""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select, tuple_

from storage.database import Database
from storage.dimensions import Dimensions
from storage.numbering import Place, VersionKey, meter_key, resource_key
from storage.packing import derived_message_id, pack_reading
from storage.quarantine import keep
from storage.query import SampleQuery, Scope, Stored
from storage.readings import Reader
from storage.sample import Refused, Sample, StoredSample, to_microseconds
from storage.tables import delta, delta_identity, hot

MAX_METERS_A_ROW = 400  # 8 bytes each within the 4000 of a row
KEYS_A_QUESTION = 200


_Hot = tuple[int, int, int, int, int, int, bytes]
_Delta = tuple[int, int, int, int, bytes, int, int, bytes]


@dataclass(frozen=True, slots=True)
class _Rows:
    """A batch as rows of `hot` and `delta`, sorted by key; `unlike` readings contradicted another one in it."""

    hot: list[_Hot]
    delta: list[_Delta]
    readings: int
    unlike: int


class Samples:
    """The store of samples."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dimensions = Dimensions(database)
        self._reader = Reader()

    def store(
        self, samples: Sequence[Sample], refused: Sequence[Refused] = (), *, received_at: datetime
    ) -> Stored:
        """Keeps a batch in one transaction; what is already there stays as it is (the first reading wins).

        Samples must be normalized. Raises DatabaseUnavailable (try the same batch again, also when the
        outcome of the commit is unknown) or DataRefused (nothing was kept; bisect).
        """
        if not samples and not refused:
            return Stored(0, 0, 0)
        rows = self._rows(samples, to_microseconds(received_at))
        return self._database.write_retrying(lambda connection: self._write(connection, rows, refused))

    def identify(self, samples: Sequence[Sample]) -> list[str]:
        """The message id of each sample, in order; raises as `store` does."""
        places = self._dimensions.places(resource_key(sample) for sample in samples)
        mids = self._dimensions.meters(meter_key(sample) for sample in samples)
        return [
            _uuid_text(sample.id)
            if sample.id is not None
            else derived_message_id(
                places[resource_key(sample)].rid,
                mids[meter_key(sample)],
                to_microseconds(sample.timestamp),
            )
            for sample in samples
        ]

    def find(self, query: SampleQuery, limit: int) -> list[StoredSample]:
        """The newest samples that match, newest first; equal times by resource, meter and id."""
        with self._database.read() as connection:
            return self._reader.newest(connection, query, limit)

    def get(self, scope: Scope, message_id: str) -> StoredSample | None:
        """The sample of this id, or None when there is none in the scope."""
        found = self.find(SampleQuery(scope, message_id=message_id), 1)
        return found[0] if found else None

    def _write(self, connection: Connection, rows: _Rows, refused: Sequence[Refused]) -> Stored:
        keep(connection, refused)
        new = 0
        deltas, conflicts = self._unknown(connection, rows.delta)
        for table, batch in ((hot, rows.hot), (delta, deltas)):
            inserted = self._database.dialect.insert_new(connection, table, batch) if batch else 0
            if inserted == len(batch):
                new += sum(len(row[-1]) // 8 for row in batch)
            else:
                kept, unlike = _compare(connection, table, batch)
                new += kept
                conflicts += unlike
        return Stored(new, rows.readings - new, conflicts + rows.unlike)

    def _unknown(self, connection: Connection, batch: list[_Delta]) -> tuple[list[_Delta], int]:
        """The delta samples whose id was never seen, and how many were seen saying something else."""
        ids = sorted((row[4], row[6]) for row in batch)
        if not batch or self._database.dialect.insert_new(connection, delta_identity, ids) == len(ids):
            return batch, 0
        seen: dict[bytes, int] = {}
        told: dict[bytes, tuple[object, ...]] = {}
        for start in range(0, len(ids), KEYS_A_QUESTION):
            some = [identity for identity, _ in ids[start : start + KEYS_A_QUESTION]]
            rows = connection.execute(select(delta_identity).where(delta_identity.c.id.in_(some)))
            seen.update((bytes(row.id), row.recv) for row in rows)
            stored = connection.execute(select(delta).where(delta.c.id.in_(some)))
            told.update(
                (bytes(row.id), (row.gid, row.rid, row.ts, row.mid, bytes(row.vals))) for row in stored
            )
        known = [row for row in batch if seen[row[4]] != row[6]]
        unlike = sum(told.get(row[4]) != (*row[:4], row[7]) for row in known)
        return [row for row in batch if seen[row[4]] == row[6]], unlike

    def _rows(self, samples: Sequence[Sample], received: int) -> _Rows:
        samples_in_order = list(samples)
        places = self._dimensions.places(resource_key(sample) for sample in samples_in_order)
        mids = self._dimensions.meters(meter_key(sample) for sample in samples_in_order)
        contents = _contents(samples_in_order)
        versions = self._dimensions.versions(contents)
        batch = _Batch(received)
        for sample, content in zip(samples_in_order, contents, strict=True):
            batch.add(sample, places[resource_key(sample)], mids[meter_key(sample)], versions[content])
        parts = self._dimensions.shapes(batch.shapes())
        rows = batch.rows(parts)
        self._dimensions.note_series((row[0], row[1], row[3]) for row in rows.hot)
        self._dimensions.note_series((gid, rid, parts[(mid,)]) for gid, rid, _, mid, *_ in rows.delta)
        return rows


class _Batch:
    """Gathers readings by (resource, time, version) and packs each group into rows."""

    def __init__(self, received: int) -> None:
        self._received = received
        self._groups: dict[tuple[int, int, int, int], dict[int, int | float]] = {}
        self._deltas: dict[bytes, tuple[int, int, int, int, int, int | float]] = {}
        self._readings = self._unlike = 0

    def add(self, sample: Sample, place: Place, mid: int, ver: int) -> None:
        self._readings += 1
        ts = to_microseconds(sample.timestamp)
        if sample.id is not None:
            row = (place.gid, place.rid, ts, mid, ver, sample.volume)
            self._unlike += self._deltas.setdefault(sample.id, row) != row
        else:
            group = self._groups.setdefault((place.gid, place.rid, ts, ver), {})
            self._unlike += group.setdefault(mid, sample.volume) != sample.volume

    def shapes(self) -> Iterable[tuple[int, ...]]:
        for group in self._groups.values():
            yield from _cut(sorted(group))
        for _, _, _, mid, _, _ in self._deltas.values():
            yield (mid,)

    def rows(self, parts: dict[tuple[int, ...], int]) -> _Rows:
        hot_rows = []
        for (gid, rid, ts, ver), group in self._groups.items():
            for mids in _cut(sorted(group)):
                vals = b"".join(pack_reading(group[mid]) for mid in mids)
                hot_rows.append((gid, rid, ts, parts[mids], ver, self._received, vals))
        delta_rows = [
            (gid, rid, ts, mid, identity, ver, self._received, pack_reading(volume))
            for identity, (gid, rid, ts, mid, ver, volume) in self._deltas.items()
        ]
        return _Rows(sorted(hot_rows), sorted(delta_rows), self._readings, self._unlike)


def _cut(mids: list[int]) -> Iterable[tuple[int, ...]]:
    for start in range(0, len(mids), MAX_METERS_A_ROW):
        yield tuple(mids[start : start + MAX_METERS_A_ROW])


def _contents(samples: Sequence[Sample]) -> list[VersionKey]:
    """What each sample says beside its number; samples that share one metadata object cost its text once."""
    bodies: dict[int, str] = {}
    keys: dict[tuple[str | None, str, str | None, str], VersionKey] = {}
    contents = []
    for sample in samples:
        body = bodies.get(id(sample.metadata))
        if body is None:
            body = json.dumps(sample.metadata, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            bodies[id(sample.metadata)] = body
        parts = (sample.user_id, sample.source, sample.generation, body)
        contents.append(keys.get(parts) or keys.setdefault(parts, VersionKey(*parts)))
    return contents


def _compare(connection: Connection, table: Table, batch: Sequence[tuple[Any, ...]]) -> tuple[int, int]:
    """How many readings of this batch are the ones kept, and how many rows are kept with other readings."""
    key_columns = list(table.primary_key)  # rows: key, …, recv, vals
    width = len(key_columns)
    stored: dict[tuple[object, ...], tuple[int, bytes]] = {}
    for start in range(0, len(batch), KEYS_A_QUESTION):
        keys = [row[:width] for row in batch[start : start + KEYS_A_QUESTION]]
        rows = connection.execute(
            select(*key_columns, table.c.recv, table.c.vals).where(tuple_(*key_columns).in_(keys))
        )
        stored.update((tuple(found[:width]), (found.recv, bytes(found.vals))) for found in rows)
    kept = unlike = 0
    for row in batch:
        recv, vals = stored.pop(row[:width], (None, row[-1]))
        if recv == row[-2] and vals == row[-1]:
            kept += len(vals) // 8
        unlike += vals != row[-1]
    return kept, unlike


def _uuid_text(identity: bytes) -> str:
    return str(uuid.UUID(bytes=identity))
