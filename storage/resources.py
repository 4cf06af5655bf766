"""Who was metered, and by which meters."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, and_, func, select

from storage.database import Database
from storage.names import Names
from storage.query import MeterSummary, ResourceSummary, SampleQuery, Scope
from storage.reading.matching import matches
from storage.reading.readings import Question, Reader
from storage.reading.selection import Selection
from storage.sample import from_microseconds
from storage.tables import delta, hot, late, series
from storage.tables_tiles import seen
from storage.tiles.sightings import Sightings, unpack_sightings


@dataclass(frozen=True, slots=True)
class _Seen:
    """When a resource was seen, and the version its latest sample carried."""

    rid: int
    first: int
    last: int
    ver: int


class Resources:
    """Lists resources and their meters."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names()

    def resources(self, query: SampleQuery, limit: int) -> list[ResourceSummary]:
        """Resources with a sample that matches, the one seen last first, then by id.

        User, source and metadata conditions look at the latest sample only.
        """
        with self._database.snapshot() as connection:
            reader = Reader(self._names.lent(self._database.breaks))
            sightings, meters = _seen(reader, connection, query)
            found = [_resource(reader, one, meters.get(one.rid, ())) for one in sightings]
        found.sort(key=lambda one: (-one.last.timestamp(), one.resource_id, one.project_id or ""))
        return found[:limit]

    def resource(self, scope: Scope, resource_id: str) -> ResourceSummary | None:
        """The resource of this id, or None when there is none in the scope."""
        found = self.resources(SampleQuery(scope, resource_id=resource_id), 1)
        return found[0] if found else None

    def meters(self, query: SampleQuery, limit: int, *, unique: bool = False) -> list[MeterSummary]:
        """One entry per meter and resource (per meter with `unique`), by resource, project and name.

        User, source and metadata conditions look at the resource's latest sample only.
        """
        with self._database.snapshot() as connection:
            reader = Reader(self._names.lent(self._database.breaks))
            sightings, meters = _seen(reader, connection, query)
            found = {
                meter
                for one in sightings
                for meter in _meters_of(reader, one, meters.get(one.rid, ()), query, unique)
            }
        ordered = sorted(
            found, key=lambda m: (m.resource_id or "", m.project_id or "", m.name, m.type, m.unit)
        )
        return ordered[:limit]


def _seen(
    reader: Reader, connection: Connection, query: SampleQuery
) -> tuple[list[_Seen], Mapping[int, tuple[int, ...]]]:
    of_any = replace(query, user_id=None, source=None, metadata=())
    question = reader.ask(connection, of_any, versions=True)
    if question is None:
        return [], {}
    whole = query.start is None and query.end is None and query.meter is None and query.message_id is None
    found = _sightings(reader, connection, question) if whole else _read(reader, connection, of_any)
    latest: dict[int, _Seen] = {}
    for one in found:
        latest[one.rid] = _joined(latest.get(one.rid, one), one)
    names = reader.names
    names.learn_owners(connection, latest)
    names.learn_versions(connection, {one.ver for one in latest.values()})
    matching = [one for one in latest.values() if matches(query, names.version(one.ver))]
    return matching, _meters_by_resource(reader, connection, question.selection)


def _sightings(reader: Reader, connection: Connection, question: Question) -> Iterator[_Seen]:
    """What is known without reading samples, and the rows that are not sealed."""
    bodies = select(seen.c.gid, seen.c.body).where(seen.c.gid.in_(list(question.groups)))
    for gid, body in connection.execute(bodies).all():
        yield from _sighted(reader, connection, gid, unpack_sightings(body), question.groups[gid])
    selection = question.selection
    open_hours = replace(selection, start=question.marks.sealed)
    for table, some in ((hot, open_hours), (late, selection), (delta, selection)):
        for row in connection.execute(_seen_in(table, some)):
            yield _Seen(row.rid, row.first, row.ts, row.ver)


def _sighted(
    reader: Reader, connection: Connection, gid: int, sightings: Sightings, wanted: frozenset[int] | None
) -> Iterator[_Seen]:
    slots = np.flatnonzero(sightings.last >= 0)
    if wanted is not None:
        slots = slots[np.isin(slots, sorted(wanted))]
    rids = reader.names.rids(connection, gid, slots)
    arrays = (rids, sightings.first[slots], sightings.last[slots], sightings.ver[slots])
    return map(_Seen, *(array.tolist() for array in arrays))


def _read(reader: Reader, connection: Connection, query: SampleQuery) -> Iterator[_Seen]:
    """The same by reading the samples in question."""
    for found in reader.columns(connection, query):
        order = np.lexsort((found.ver, found.ts, found.rid))
        rid = found.rid[order]
        begins = np.flatnonzero(np.diff(rid, prepend=-1))
        ends = order[np.append(begins[1:], len(rid)) - 1]
        first = found.ts[order[begins]]
        arrays = (rid[begins], first, found.ts[ends], found.ver[ends])
        yield from map(_Seen, *(array.tolist() for array in arrays))


def _meters_by_resource(
    reader: Reader, connection: Connection, selection: Selection
) -> Mapping[int, tuple[int, ...]]:
    statement = select(series.c.rid, series.c.part)
    for column, chosen in ((series.c.gid, selection.gids), (series.c.rid, selection.rids)):
        if chosen is not None:
            statement = statement.where(column.in_(sorted(chosen)))
    rows = connection.execute(statement).all()
    names = reader.names
    names.learn_shapes(connection, {row.part for row in rows})
    mids: dict[int, set[int]] = {}
    for row in rows:
        mids.setdefault(row.rid, set()).update(names.mids_of(row.part))
    return {rid: tuple(sorted(found)) for rid, found in mids.items()}


def _resource(reader: Reader, seen: _Seen, mids: Iterable[int]) -> ResourceSummary:
    owner, around = reader.owner(seen.rid), reader.version(seen.ver)
    return ResourceSummary(
        resource_id=owner.resource_id,
        project_id=owner.project_id,
        user_id=around.user_id,
        source=around.source,
        first=from_microseconds(seen.first),
        last=from_microseconds(seen.last),
        metadata=around.metadata,
        meters=tuple(sorted({reader.meter(mid).name for mid in mids})),
    )


def _meters_of(
    reader: Reader, seen: _Seen, mids: Iterable[int], query: SampleQuery, unique: bool
) -> Iterable[MeterSummary]:
    owner, around = reader.owner(seen.rid), reader.version(seen.ver)
    for mid in mids:
        kind = reader.meter(mid)
        if query.meter not in (None, kind.name):
            continue
        if unique:
            yield MeterSummary(kind.name, kind.type, kind.unit, None, None, None, None)
        else:
            yield MeterSummary(
                kind.name,
                kind.type,
                kind.unit,
                owner.resource_id,
                owner.project_id,
                around.user_id,
                around.source,
            )


def _seen_in(table: Table, selection: Selection) -> Any:  # a Select of labelled columns
    """Per resource: first and last time, and the version of a row of the last time."""
    spans = (
        select(
            table.c.gid, table.c.rid, func.min(table.c.ts).label("first"), func.max(table.c.ts).label("last")
        )
        .where(selection.where(table))
        .group_by(table.c.gid, table.c.rid)
        .subquery()
    )
    same = and_(table.c.gid == spans.c.gid, table.c.rid == spans.c.rid, table.c.ts == spans.c.last)
    return select(table.c.rid, table.c.ts, table.c.ver, spans.c.first).join(spans, same)


def _joined(one: _Seen, other: _Seen) -> _Seen:
    """The span of both, with the version of the later; of equal ones that which was made last."""
    last = max(one, other, key=lambda sighting: (sighting.last, sighting.ver))
    return _Seen(one.rid, min(one.first, other.first), last.last, last.ver)
