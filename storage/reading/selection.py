"""A question's names as numbers: which groups, resources, shapes and times to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, false

from storage.directory import Directory, Place, slots_by_group
from storage.packing import parse_message_id
from storage.query import SampleQuery
from storage.reading.moment import Moment
from storage.sample import to_microseconds
from storage.tables import delta

Value = int | bytes
Bound = tuple[
    Column[Any], str, list[Value]
]  # the value of this column is one of these, or compares with the one


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
    slots: Mapping[int, frozenset[int]] | None = None  # where `rids` are, by group

    @property
    def is_empty(self) -> bool:
        """Whether nothing can match."""
        return any(chosen is not None and not chosen for chosen in (self.gids, self.rids, self.mids))

    def where(self, table: Table) -> ColumnElement[bool]:
        """The condition on `hot`, `late` or `delta`."""
        bounds = self._bounds(table)
        if bounds is None:
            return false()
        return and_(
            table.c.ts >= 0,
            *(column.in_(some) if op == "IN" else column.op(op)(some[0]) for column, op, some in bounds),
        )

    def sql(self, table: Table, mark: str) -> tuple[str, tuple[Value, ...]]:
        """The same written out, and the values of its marks: to build and compile it takes longer than to ask."""
        bounds = self._bounds(table)
        if bounds is None:
            return "1 = 0", ()
        conditions = [f"{column.name} {op} ({', '.join([mark] * len(some))})" for column, op, some in bounds]
        values = tuple(value for _, _, some in bounds for value in some)
        return " AND ".join(conditions if (self.start or -1) >= 0 else ["ts >= 0", *conditions]), values

    def _bounds(self, table: Table) -> list[Bound] | None:
        """What must hold of a row; None: nothing can match."""
        if self.is_empty or (table is not delta and not self.polled):
            return None
        by_meter = (table.c.mid, self.mids) if table is delta else (table.c.part, self.parts)
        sets = ((table.c.gid, self.gids), (table.c.rid, self.rids), by_meter)
        # Times first: servers that read a whole partition compare in this order, and most rows fail there.
        bounds: list[Bound] = []
        if self.start is not None:
            bounds.append((table.c.ts, ">=", [self.start]))
        if self.end is not None:
            bounds.append((table.c.ts, "<", [self.end]))
        bounds += [(column, "IN", sorted(chosen)) for column, chosen in sets if chosen is not None]
        if table is delta and self.delta_id is not None:
            bounds.append((delta.c.id, "=", [self.delta_id]))
        return bounds if all(some for _, _, some in bounds) else None


def select_for(connection: Connection, query: SampleQuery, moment: Moment, directory: Directory) -> Selection:
    """The numbers behind a question; the scope bounds whatever else was asked."""
    gids, places = _places(connection, query, moment, directory)
    mids = directory.mids(connection, moment, query.meter) if query.meter is not None else None
    start, end = times_of(query)
    delta_id, polled = None, True
    if query.message_id is not None:
        named = parse_message_id(query.message_id)
        if named is None:
            places = ()
        elif isinstance(named, bytes):
            delta_id, polled = named, False
        else:
            rid, mid, ts = named
            places = _narrow(directory.place_of(connection, rid), gids, places)
            mids = frozenset({mid}) if mids is None or mid in mids else frozenset()
            start, end = max(ts, start or ts), min(ts + 1, end if end is not None else ts + 1)
    parts = directory.parts(connection, moment, mids) if mids else None
    rids, slots = None, None
    if places is not None:
        gids, rids = frozenset(gid for gid, _, _ in places), frozenset(rid for _, rid, _ in places)
        slots = slots_by_group(places)
    return Selection(gids, rids, mids, parts, start, end, delta_id, polled, slots)


def times_of(query: SampleQuery) -> tuple[int | None, int | None]:
    """The first microsecond that is asked for, and the first that no longer is; None means no bound."""
    start = to_microseconds(query.start) + query.start_open if query.start is not None else None
    end = to_microseconds(query.end) + query.end_closed if query.end is not None else None
    return start, end


def wanted_project(query: SampleQuery) -> str | None:
    """The one project that may be told of, that of the scope before that of the question; None: all."""
    return query.project_id if query.scope.everything else query.scope.project_id


def _places(
    connection: Connection, query: SampleQuery, moment: Moment, directory: Directory
) -> tuple[frozenset[int] | None, tuple[Place, ...] | None]:
    """Groups and resources in question; None: all."""
    wanted = wanted_project(query)
    if not query.scope.everything and query.project_id not in (None, wanted):
        return frozenset(), ()
    if query.resource_id is not None:
        return None, directory.places(connection, moment, query.resource_id, wanted)
    return (None if wanted is None else directory.groups(connection, moment, wanted)), None


def _narrow(
    place: Place | None, gids: frozenset[int] | None, places: tuple[Place, ...] | None
) -> tuple[Place, ...]:
    """One resource, if it is among those allowed."""
    if place is None or (gids is not None and place[0] not in gids):
        return ()
    return (place,) if places is None or place in places else ()
