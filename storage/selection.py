"""A question's names as numbers: which groups, resources, shapes and times to read."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, and_, false, select

from storage.packing import parse_message_id, unpack_mids
from storage.query import SampleQuery
from storage.sample import to_microseconds
from storage.tables import delta, meter, project, resource, resource_group, series, shape


@dataclass(frozen=True, slots=True)
class Selection:
    """What to read; None means no limit, an empty set means nothing can match.

    `gids` and `rids` hold the scope: both are made here, from the scope and the filters together.
    """

    gids: frozenset[int] | None
    rids: frozenset[int] | None
    mids: frozenset[int] | None
    parts: frozenset[int] | None
    start: int | None
    end: int | None
    delta_id: bytes | None = None
    polled: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing can match."""
        return any(chosen is not None and not chosen for chosen in (self.gids, self.rids, self.mids))

    def where(self, table: Table) -> ColumnElement[bool]:
        """The condition on `hot`, `late` or `delta`."""
        if self.is_empty or (table is not delta and not self.polled):
            return false()
        conditions: list[ColumnElement[bool]] = []
        for column, chosen in ((table.c.gid, self.gids), (table.c.rid, self.rids)):
            if chosen is not None:
                conditions.append(column.in_(sorted(chosen)))
        if table is not delta and self.parts is not None:
            conditions.append(table.c.part.in_(sorted(self.parts)))
        if table is delta and self.mids is not None:
            conditions.append(delta.c.mid.in_(sorted(self.mids)))
        if table is delta and self.delta_id is not None:
            conditions.append(delta.c.id == self.delta_id)
        if self.start is not None:
            conditions.append(table.c.ts >= self.start)
        if self.end is not None:
            conditions.append(table.c.ts < self.end)
        return and_(*conditions) if conditions else table.c.ts >= 0


def select_for(connection: Connection, query: SampleQuery) -> Selection:
    """The numbers behind a question; the scope bounds whatever else was asked."""
    gids, rids = _places(connection, query)
    mids = _mids(connection, query.meter) if query.meter is not None else None
    start = to_microseconds(query.start) + query.start_open if query.start is not None else None
    end = to_microseconds(query.end) + query.end_closed if query.end is not None else None
    delta_id, polled = None, True
    if query.message_id is not None:
        named = parse_message_id(query.message_id)
        if named is None:
            rids = frozenset()
        elif isinstance(named, bytes):
            delta_id, polled = named, False
        else:
            rid, mid, ts = named
            gids, rids = _narrow(connection, rid, gids, rids)
            mids = frozenset({mid}) if mids is None or mid in mids else frozenset()
            start, end = max(ts, start or ts), min(ts + 1, end if end is not None else ts + 1)
    parts = _parts(connection, mids, gids, rids) if mids is not None else None
    return Selection(gids, rids, mids, parts, start, end, delta_id, polled)


def _places(
    connection: Connection, query: SampleQuery
) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    wanted = query.project_id
    if not query.scope.everything:
        if wanted is not None and wanted != query.scope.project_id:
            return frozenset(), frozenset()
        wanted = query.scope.project_id
    pid: int | None = None
    if wanted is not None:
        pid = connection.execute(select(project.c.pid).where(project.c.id == wanted)).scalar()
        if pid is None:
            return frozenset(), frozenset()
    if query.resource_id is not None:
        named = select(resource.c.gid, resource.c.rid).where(resource.c.id == query.resource_id)
        if pid is not None:
            named = named.where(resource.c.pid == pid)
        rows = connection.execute(named).all()
        return frozenset(row.gid for row in rows), frozenset(row.rid for row in rows)
    if pid is not None:
        rows = connection.execute(select(resource_group.c.gid).where(resource_group.c.pid == pid)).all()
        return frozenset(row.gid for row in rows), None
    return None, None


def _narrow(
    connection: Connection, rid: int, gids: frozenset[int] | None, rids: frozenset[int] | None
) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """One resource, if it is among those allowed."""
    gid = connection.execute(select(resource.c.gid).where(resource.c.rid == rid)).scalar()
    if gid is None or (gids is not None and gid not in gids) or (rids is not None and rid not in rids):
        return frozenset(), frozenset()
    return frozenset({gid}), frozenset({rid})


def _mids(connection: Connection, name: str) -> frozenset[int]:
    return frozenset(connection.execute(select(meter.c.mid).where(meter.c.name == name)).scalars())


def _parts(
    connection: Connection,
    mids: frozenset[int],
    gids: frozenset[int] | None,
    rids: frozenset[int] | None,
) -> frozenset[int]:
    """The shapes that hold one of these meters, of those the resources in question were ever seen with."""
    known = select(shape.c.part, shape.c.mids)
    if gids is not None:
        seen = select(series.c.part).where(series.c.gid.in_(sorted(gids)))
        if rids is not None:
            seen = seen.where(series.c.rid.in_(sorted(rids)))
        known = known.where(shape.c.part.in_(seen))
    return frozenset(
        part for part, blob in connection.execute(known) if not mids.isdisjoint(unpack_mids(blob))
    )
