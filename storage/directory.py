"""Where names lead, remembered for as long as no new name of their kind was given a number."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from storage.packing import unpack_mids
from storage.reading.moment import Moment
from storage.tables import meter, project, resource, resource_group, shape

LIMIT = 50_000  # names of a kind that are remembered
PARTS_MAX = 200  # shapes worth naming in a statement

Place = tuple[int, int, int]  # group, resource, slot


class Directory:
    """The numbers names lead to, as of the moment of each question."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], dict[Any, Any]]] = {}  # Any: by kind of name

    def mids(self, connection: Connection, moment: Moment, name: str) -> frozenset[int]:
        """The meters of this name."""
        known = self._of(moment, "meter")
        if name not in known:
            rows = connection.execute(select(meter.c.mid).where(meter.c.name == name))
            known[name] = frozenset(rows.scalars())
        found: frozenset[int] = known[name]
        return found

    def parts(self, connection: Connection, moment: Moment, mids: frozenset[int]) -> frozenset[int] | None:
        """The shapes with one of these meters; None where they are too many to be named."""
        known = self._of(moment, "shape")
        if mids not in known:
            if "all" not in known:
                rows = connection.execute(select(shape.c.part, shape.c.mids))
                known["all"] = [(part, unpack_mids(blob)) for part, blob in rows]
            known[mids] = frozenset(part for part, some in known["all"] if not mids.isdisjoint(some))
        found: frozenset[int] = known[mids]
        return found if len(found) <= PARTS_MAX else None

    def groups(self, connection: Connection, moment: Moment, project_id: str | None) -> frozenset[int]:
        """The groups of a project; of all projects with None."""
        known = self._of(moment, "project", "resource_group")
        if project_id not in known:
            statement = select(resource_group.c.gid)
            if project_id is not None:
                statement = statement.where(resource_group.c.pid == project.c.pid, project.c.id == project_id)
            known[project_id] = frozenset(connection.execute(statement).scalars())
        found: frozenset[int] = known[project_id]
        return found

    def places(
        self, connection: Connection, moment: Moment, resource_id: str, project_id: str | None
    ) -> tuple[Place, ...]:
        """Where the resources of this id are (each project may have one); only those of a project, if one is named."""
        known = self._of(moment, "resource")
        if (resource_id, project_id) not in known:
            statement = select(resource.c.gid, resource.c.rid, resource.c.slot).where(
                resource.c.id == resource_id
            )
            if project_id is not None:
                statement = statement.where(resource.c.pid == project.c.pid, project.c.id == project_id)
            rows = connection.execute(statement)
            known[resource_id, project_id] = tuple((gid, rid, slot) for gid, rid, slot in rows)
        found: tuple[Place, ...] = known[resource_id, project_id]
        return found

    def known_mids(self, moment: Moment, name: str | None) -> frozenset[int] | None:
        """The meters of this name; None where nobody asked for them in this moment."""
        found: frozenset[int] | None = self._of(moment, "meter").get(name)
        return found

    def known_groups(self, moment: Moment, project_id: str | None) -> frozenset[int] | None:
        """As `groups`; None where nobody asked for them in this moment."""
        found: frozenset[int] | None = self._of(moment, "project", "resource_group").get(project_id)
        return found

    def known_parts(self, moment: Moment, mids: frozenset[int]) -> frozenset[int] | None:
        """As `parts`; None also where nobody asked for them in this moment."""
        found: frozenset[int] | None = self._of(moment, "shape").get(mids)
        return found if found is not None and len(found) <= PARTS_MAX else None

    def last_places(self, resource_id: str, project_id: str | None) -> tuple[Place, ...]:
        """As `places` was answered last, whatever happened since; nothing where nobody asked."""
        found: tuple[Place, ...] = self._last("resource").get((resource_id, project_id), ())
        return found

    def last_groups(self, project_id: str | None) -> frozenset[int]:
        """The same of `groups`."""
        found: frozenset[int] = self._last("project").get(project_id, frozenset())
        return found

    def place_of(self, connection: Connection, rid: int) -> Place | None:
        """Where the resource of this number is."""
        statement = select(resource.c.gid, resource.c.rid, resource.c.slot).where(resource.c.rid == rid)
        row = connection.execute(statement).first()
        return None if row is None else (row.gid, row.rid, row.slot)

    def _last(self, kind: str) -> dict[Any, Any]:
        held = self._known.get(kind)
        return {} if held is None else held[1]

    def _of(self, moment: Moment, *kinds: str) -> dict[Any, Any]:
        """What is known of some kinds of names in this moment."""
        counters = tuple(moment.counters.get(kind, 0) for kind in kinds)
        held = self._known.get(kinds[0])
        if held is None or held[0] != counters or len(held[1]) > LIMIT:
            held = self._known[kinds[0]] = (counters, {})
        return held[1]


def slots_by_group(places: tuple[Place, ...]) -> Mapping[int, frozenset[int]]:
    """The slots in each group."""
    found: dict[int, frozenset[int]] = {}
    for gid, _, slot in places:
        found[gid] = found.get(gid, frozenset()) | {slot}
    return found
