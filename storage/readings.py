"""Rows of bytes back to samples, each reading once."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, select, tuple_

from storage.packing import derived_message_id, unpack_mids, unpack_reading
from storage.query import MetadataMatch, SampleQuery
from storage.sample import Sample, SampleType, StoredSample, flatten, from_microseconds
from storage.selection import Selection, select_for
from storage.tables import delta, hot, meter, project, resource, shape, version

CHUNK = 200
FIRST_PAGE = 200
PAGE = 20_000


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter's names; `real` tells float64 from int64 readings."""

    name: str
    type: SampleType
    unit: str
    real: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """A resource's name and project (None: nobody's)."""

    resource_id: str
    project_id: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """What samples say beside their number."""

    user_id: str | None
    source: str
    generation: str | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reading:
    """One number with the numbers of everything around it; `id` only for delta samples."""

    ts: int
    rid: int
    mid: int
    ver: int
    recv: int
    volume: int | float
    id: bytes | None


class Reader:
    """Reads what `Samples` wrote. The meaning of a number never changes, so all of them are cached."""

    def __init__(self) -> None:
        self._meters: dict[int, Meter] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._owners: dict[int, Owner] = {}
        self._versions: dict[int, Version] = {}

    def newest(self, connection: Connection, query: SampleQuery, limit: int) -> list[StoredSample]:
        """At most `limit` samples that match, newest first; equal times by resource, meter and id."""
        selection = select_for(connection, query)
        if selection.is_empty:
            return []
        rows = max(FIRST_PAGE, 2 * limit)
        while True:
            found, complete = self._newest_of(connection, query, selection, rows)
            if complete or len(found) >= limit:
                found.sort(key=_order)
                return found[:limit]
            rows *= 4

    def any_order(self, connection: Connection, query: SampleQuery) -> Iterator[Reading]:
        """All readings that match, a page of rows at a time; names by `meter`, `owner` and `version`."""
        selection = select_for(connection, query)
        if selection.is_empty:
            return
        for rows in _pages(connection, hot, selection):
            yield from self._matching(query, self._exploded(connection, selection, rows))
        for rows in _pages(connection, delta, selection):
            yield from self._matching(query, self._deltas(connection, rows))

    def meter(self, mid: int) -> Meter:
        """The meter of a reading just read."""
        return self._meters[mid]

    def owner(self, rid: int) -> Owner:
        """The resource of a reading just read."""
        return self._owners[rid]

    def version(self, ver: int) -> Version:
        """What a reading just read says beside its number."""
        return self._versions[ver]

    def load(self, connection: Connection, rows: Sequence[Row[Any]], parts: Iterable[int] = ()) -> None:
        """Makes the names around these rows (which have `rid` and `ver`), and these shapes, known."""
        self._load_owners(connection, {row.rid for row in rows})
        self._load_versions(connection, {row.ver for row in rows})
        self._load_shapes(connection, parts)

    def mids_of(self, part: int) -> tuple[int, ...]:
        """The meters of a shape that was loaded."""
        return self._shapes[part]

    def _newest_of(
        self, connection: Connection, query: SampleQuery, selection: Selection, rows: int
    ) -> tuple[list[StoredSample], bool]:
        """What the newest `rows` rows of each table hold, without a time they may have cut; and whether that is all."""
        newest = select(hot).where(selection.where(hot)).order_by(hot.c.ts.desc()).limit(rows)
        hot_rows = connection.execute(newest).all()
        newest_deltas = select(delta).where(selection.where(delta)).order_by(delta.c.ts.desc()).limit(rows)
        delta_rows = connection.execute(newest_deltas).all()
        cut = max((page[-1].ts for page in (hot_rows, delta_rows) if len(page) == rows), default=-1)
        whole = sorted((row for row in hot_rows if row.ts > cut), key=lambda row: (row.gid, row.rid, row.ts))
        readings = chain(
            self._exploded(connection, selection, whole),
            self._deltas(connection, [row for row in delta_rows if row.ts > cut]),
        )
        return [self._sample(reading) for reading in self._matching(query, readings)], cut < 0

    def _exploded(
        self, connection: Connection, selection: Selection, rows: Sequence[Row[Any]]
    ) -> Iterator[Reading]:
        """The first reading of every (resource, meter, instant); `rows` have equal ones side by side."""
        self.load(connection, rows, {row.part for row in rows})
        for _, same in groupby(rows, key=lambda row: (row.rid, row.ts)):
            seen: set[tuple[str, str, str]] = set()
            for row in sorted(same, key=lambda row: (row.recv, row.part)):
                for position, mid in enumerate(self._shapes[row.part]):
                    if selection.mids is not None and mid not in selection.mids:
                        continue
                    kind = self._meters[mid]
                    if (name := (kind.name, kind.type, kind.unit)) not in seen:
                        seen.add(name)
                        volume = unpack_reading(row.vals, position, real=kind.real)
                        yield Reading(row.ts, row.rid, mid, row.ver, row.recv, volume, None)

    def _deltas(self, connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Reading]:
        self.load(connection, rows)
        self._load_meters(connection, {row.mid for row in rows})
        for row in rows:
            volume = unpack_reading(row.vals, 0, real=self._meters[row.mid].real)
            yield Reading(row.ts, row.rid, row.mid, row.ver, row.recv, volume, bytes(row.id))

    def _matching(self, query: SampleQuery, readings: Iterable[Reading]) -> Iterator[Reading]:
        verdicts: dict[int, bool] = {}
        for reading in readings:
            verdict = verdicts.get(reading.ver)
            if verdict is None:
                verdict = verdicts[reading.ver] = matches(query, self._versions[reading.ver])
            if verdict:
                yield reading

    def _sample(self, reading: Reading) -> StoredSample:
        kind, owner, around = (
            self._meters[reading.mid],
            self._owners[reading.rid],
            self._versions[reading.ver],
        )
        sample = Sample(
            meter=kind.name,
            type=kind.type,
            unit=kind.unit,
            volume=reading.volume,
            resource_id=owner.resource_id,
            project_id=owner.project_id,
            timestamp=from_microseconds(reading.ts),
            user_id=around.user_id,
            source=around.source,
            metadata=around.metadata,
            generation=around.generation,
            id=reading.id,
        )
        return StoredSample(_message_id(reading), sample, from_microseconds(reading.recv))

    def _load_meters(self, connection: Connection, mids: Iterable[int]) -> None:
        for chunk in _missing(mids, self._meters):
            for row in connection.execute(select(meter).where(meter.c.mid.in_(chunk))):
                kind = cast("SampleType", row.type)  # only normalized samples were stored
                self._meters[row.mid] = Meter(row.name, kind, row.unit, bool(row.real))

    def _load_shapes(self, connection: Connection, parts: Iterable[int]) -> None:
        for chunk in _missing(parts, self._shapes):
            rows = connection.execute(select(shape.c.part, shape.c.mids).where(shape.c.part.in_(chunk)))
            for part, blob in rows.all():
                mids = unpack_mids(blob)
                self._load_meters(connection, mids)
                self._shapes[part] = mids

    def _load_owners(self, connection: Connection, rids: Iterable[int]) -> None:
        named = select(resource.c.rid, resource.c.id, project.c.id).where(resource.c.pid == project.c.pid)
        for chunk in _missing(rids, self._owners):
            for rid, name, owner in connection.execute(named.where(resource.c.rid.in_(chunk))):
                self._owners[rid] = Owner(name, owner or None)

    def _load_versions(self, connection: Connection, vers: Iterable[int]) -> None:
        for chunk in _missing(vers, self._versions):
            for row in connection.execute(select(version).where(version.c.ver.in_(chunk))):
                body = json.loads(row.metadata)
                self._versions[row.ver] = Version(row.user_id, row.source, row.generation, body)


def _pages(connection: Connection, table: Table, selection: Selection) -> Iterator[Sequence[Row[Any]]]:
    """The selected rows by group, resource and time; rows of one resource and time are on one page."""
    place = (table.c.gid, table.c.rid, table.c.ts)
    statement = select(table).where(selection.where(table)).order_by(*place)
    start: tuple[int, int, int] | None = None
    size = PAGE
    while True:
        # The group alone lets every database begin at the right place of the key.
        bound = () if start is None else (table.c.gid >= start[0], tuple_(*place) >= start)
        rows = connection.execute(statement.where(*bound).limit(size)).all()
        if len(rows) < size:
            yield rows
            return
        last = rows[-1]
        start = (last.gid, last.rid, last.ts)
        whole = [row for row in rows if (row.gid, row.rid, row.ts) != start]
        size = PAGE if whole else size * 2  # a page of one resource and time: take more of it
        yield whole


def matches(query: SampleQuery, around: Version) -> bool:
    """Whether the user, source and metadata a question names are these."""
    return (
        query.user_id in (None, around.user_id)
        and query.source in (None, around.source)
        and all(holds(match, around.metadata) for match in query.metadata)
    )


def holds(match: MetadataMatch, metadata: Mapping[str, object]) -> bool:
    """Whether metadata satisfies a match: by its nested value and type, or by its text as the API shows it."""
    value: object = metadata
    for step in match.key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is not None and type(value) is type(match.value) and value == match.value:
        return True
    return flatten(metadata).get(match.key) == match.text


def _message_id(reading: Reading) -> str:
    if reading.id is not None:
        return str(uuid.UUID(bytes=reading.id))
    return derived_message_id(reading.rid, reading.mid, reading.ts)


def _missing(numbers: Iterable[int], known: Mapping[int, object]) -> Iterator[Sequence[int]]:
    missing = sorted({number for number in numbers if number not in known})
    for start in range(0, len(missing), CHUNK):
        yield missing[start : start + CHUNK]


def _order(found: StoredSample) -> tuple[float, str, str, str, str]:
    sample = found.sample
    return (
        -sample.timestamp.timestamp(),
        sample.resource_id,
        sample.project_id or "",
        sample.meter,
        found.message_id,
    )
