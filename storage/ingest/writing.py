"""From a batch with names to rows with numbers, and these into the tables, each reading once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection, Table, select, tuple_

from storage.columns import Integers
from storage.dialects import Dialect
from storage.ingest.batch import Deltas, SampleBatch, integers, spread, starts, widths_of
from storage.ingest.dimensions import Dimensions
from storage.ingest.distinct import distinct
from storage.ingest.kept import KEYS_A_QUESTION, Told, told
from storage.ingest.keys import ID_BYTES
from storage.ingest.rows import Rows, sorted_rows
from storage.ingest.versions import New
from storage.packing import READING
from storage.query import Stored
from storage.sample import INT64_MAX
from storage.tables import delta, delta_identity, hot, late

_Delta = tuple[int, int, int, int, bytes, int, int, bytes]  # the columns of `delta`


@dataclass(frozen=True, slots=True)
class Numbered:
    """A batch as rows, sorted by key; `unlike` of its `readings` contradicted another one in it.

    `new` are versions that have yet to be written, with the numbers that rows have of them.
    """

    rows: Rows
    deltas: list[_Delta]
    readings: int
    unlike: int
    new: Sequence[New]

    def with_versions(self, numbers: Mapping[bytes, int]) -> "Numbered":
        """With the numbers that the new versions, by digest, have now that they are written."""
        other = {ver: numbers[key.digest] for ver, key in self.new if numbers[key.digest] != ver}
        if not other:
            return self
        *key, ver, recv = self.rows.numbers
        ver = integers([other.get(one, one) for one in ver.tolist()])
        deltas = [(*row[:5], other.get(row[5], row[5]), *row[6:]) for row in self.deltas]
        return replace(self, rows=replace(self.rows, numbers=(*key, ver, recv)), deltas=deltas)

    @property
    def earliest(self) -> int:
        """The earliest time of a reading, microseconds since 1970 UTC; INT64_MAX when there is none."""
        polled = int(self.rows.ts.min()) if len(self.rows) else INT64_MAX
        return min(polled, *(row[2] for row in self.deltas)) if self.deltas else polled


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of the names of a batch, by their places in it."""

    gid: Integers
    rid: Integers
    ver: Integers
    mid: Integers


def number(batch: SampleBatch, dimensions: Dimensions, received: int) -> Numbered:
    """The rows of a batch that arrived at `received` (microseconds); new names are given numbers and series noted."""
    places = dimensions.places(batch.resources)
    rid = integers([place.rid for place in places])
    once, unlike = distinct(batch, rid[batch.polled.resource])
    vers, new = dimensions.versions.numbers(once.versions)
    numbers = _Numbers(
        integers([place.gid for place in places]),
        rid,
        integers(vers),
        integers(dimensions.meters(batch.meters)),
    )
    rows = _rows(once, numbers, dimensions, received)
    deltas, unlike_deltas = _delta_rows(once.deltas, numbers, received)
    gid, rid, _, part, *_ = rows.numbers
    dimensions.note_series(gid, rid, part)
    if deltas:
        shapes = dimensions.shapes([(row[3],) for row in deltas])
        gid, rid, *_ = integers([row[:2] for row in deltas]).T
        dimensions.note_series(gid, rid, integers(shapes))
    return Numbered(rows, deltas, len(batch), unlike + unlike_deltas, new)


def insert(
    connection: Connection, dialect: Dialect, numbered: Numbered, closed: int
) -> tuple[Stored, Rows | None]:
    """Writes what is new: rows of closed hours (before `closed`) to `late`; what is there already stays as it is.

    Beside what became of it the rows that went to `hot`, if all of them were new there.
    """
    deltas, conflicts = _unknown(connection, dialect, numbered.deltas)
    new = 0
    if deltas and dialect.insert_new(connection, delta, deltas) == len(deltas):
        new = len(deltas)
    elif deltas:
        kept, unlike = _compare(connection, delta, deltas)
        new, conflicts = kept, conflicts + unlike
    is_late = numbered.rows.ts < closed
    opened: Rows | None = None
    for table, rows in ((hot, numbered.rows.only(~is_late)), (late, numbered.rows.only(is_late))):
        if not len(rows):
            continue
        if dialect.insert_rows(connection, table, rows) == len(rows):
            new += len(rows.readings)
            opened = rows if table is hot else opened
        else:
            kept, unlike = dialect.kept(connection, table, rows)
            new, conflicts = new + kept, conflicts + unlike
    return Stored(new, numbered.readings - new, conflicts + numbered.unlike), opened


def _rows(batch: SampleBatch, numbers: _Numbers, dimensions: Dimensions, received: int) -> Rows:
    """The polled rows, their readings in ascending order of meter number."""
    polled = batch.polled
    mids, orders = [], []
    for shape in batch.shapes:
        of_shape = numbers.mid[list(shape)]
        order = np.argsort(of_shape)
        orders.append(order)
        mids.append(tuple(of_shape[order].tolist()))
    part = integers(dimensions.shapes(mids))
    widths = widths_of(batch.shapes)
    width = widths[polled.shape]
    order_of_all = np.concatenate(orders) if orders else integers([])
    moved = order_of_all[spread(starts(widths)[polled.shape], width)]
    columns = (
        numbers.gid[polled.resource],
        numbers.rid[polled.resource],
        polled.ts,
        part[polled.shape],
        numbers.ver[polled.version],
        np.full(len(width), received),
    )
    return sorted_rows(columns, width, polled.readings[np.repeat(starts(width), width) + moved])


def _delta_rows(deltas: Deltas, numbers: _Numbers, received: int) -> tuple[list[_Delta], int]:
    """A row for each id, sorted, and how many entries said something else than an earlier one of their id."""
    vals = deltas.volume.astype(">i8").tobytes()
    columns = (
        numbers.gid[deltas.resource],
        numbers.rid[deltas.resource],
        deltas.ts,
        numbers.mid[deltas.meter],
        numbers.ver[deltas.version],
    )
    rows: dict[bytes, _Delta] = {}
    unlike = 0
    for place, (gid, rid, ts, mid, ver) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        identity = deltas.ids[place * ID_BYTES : (place + 1) * ID_BYTES]
        row = (gid, rid, ts, mid, identity, ver, received, vals[place * READING : (place + 1) * READING])
        unlike += rows.setdefault(identity, row) != row
    return sorted(rows.values()), unlike


def _unknown(connection: Connection, dialect: Dialect, batch: list[_Delta]) -> tuple[list[_Delta], int]:
    """The delta samples whose id was never seen, and how many were seen saying something else."""
    ids = sorted((row[4], row[6]) for row in batch)
    if not batch or dialect.insert_new(connection, delta_identity, ids) == len(ids):
        return batch, 0
    seen: dict[bytes, int] = {}
    told: dict[bytes, tuple[object, ...]] = {}
    for start in range(0, len(ids), KEYS_A_QUESTION):
        some = [identity for identity, _ in ids[start : start + KEYS_A_QUESTION]]
        rows = connection.execute(select(delta_identity).where(delta_identity.c.id.in_(some)))
        seen.update((bytes(row.id), row.recv) for row in rows)
        stored = connection.execute(select(delta).where(delta.c.id.in_(some)))
        told.update((bytes(row.id), (row.gid, row.rid, row.ts, row.mid, bytes(row.vals))) for row in stored)
    known = [row for row in batch if seen[row[4]] != row[6]]
    unlike = sum(told.get(row[4]) != (*row[:4], row[7]) for row in known)
    return [row for row in batch if seen[row[4]] == row[6]], unlike


def _compare(connection: Connection, table: Table, batch: Sequence[_Delta]) -> tuple[int, int]:
    key_columns = list(table.primary_key)  # rows: key, …, recv, vals
    width = len(key_columns)
    stored: Told = {}
    for start in range(0, len(batch), KEYS_A_QUESTION):
        keys = [row[:width] for row in batch[start : start + KEYS_A_QUESTION]]
        rows = connection.execute(
            select(*key_columns, table.c.recv, table.c.vals).where(tuple_(*key_columns).in_(keys))
        )
        stored.update((tuple(found[:width]), (found.recv, bytes(found.vals))) for found in rows)
    return told(batch, stored, width)
