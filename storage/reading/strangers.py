"""Whether numbers that an earlier question learned still stand for what this one names.

A number never gets another meaning, unless the database itself goes back to an earlier day (a backup, a standby that
lacked the last rows) and hands it out again. So whatever uses a remembered number looks in the same statement whether
somebody else has it: nobody may be told of another project.
"""

from collections.abc import Collection, Sequence

from storage.directory import Place
from storage.query import SampleQuery
from storage.reading.selection import Selection, wanted_project

Value = int | str
# What stands after FROM of rows that should not be there, and the values of its marks.
Source = tuple[str, Sequence[Value]]


def strangers_in(query: SampleQuery, selection: Selection, mark: str) -> list[Source]:
    """Those with the numbers of a selection, for who reads by group and resource; of whoever may see all, none."""
    project_id = wanted_project(query)
    if query.resource_id is None or selection.rids is None:
        return strange_groups(selection.gids, project_id, mark)
    if not selection.rids:
        return []
    values: list[Value] = [*sorted(selection.rids), query.resource_id]
    others = f"r.id <> {mark}"
    if project_id is not None:
        others, values = f"{others} OR p.id <> {mark}", [*values, project_id]
    rids = ", ".join([mark] * len(selection.rids))
    return [(f"resource r JOIN project p ON p.pid = r.pid WHERE r.rid IN ({rids}) AND ({others})", values)]


def strange_groups(gids: Collection[int] | None, project_id: str | None, mark: str) -> list[Source]:
    """Groups of another project."""
    if not gids or project_id is None:
        return []
    marks = ", ".join([mark] * len(gids))
    source = f"resource_group g JOIN project p ON p.pid = g.pid WHERE g.gid IN ({marks}) AND p.id <> {mark}"
    return [(source, (*sorted(gids), project_id))]


def strange_places(
    places: Sequence[Place], resource_id: str, project_id: str | None, mark: str
) -> list[Source]:
    """Whoever has the number, or the group and slot, of one of the places of a resource."""
    found: list[Source] = []
    for gid, rid, slot in places:
        others = " OR ".join(f"{column} <> {mark}" for column in ("r.rid", "r.gid", "r.slot", "r.id"))
        values: list[Value] = [rid, gid, slot, rid, gid, slot, resource_id]
        if project_id is not None:
            others, values = f"{others} OR p.id <> {mark}", [*values, project_id]
        there = f"(r.rid = {mark} OR r.gid = {mark} AND r.slot = {mark})"
        found.append((f"resource r JOIN project p ON p.pid = r.pid WHERE {there} AND ({others})", values))
    return found
