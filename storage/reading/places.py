"""Where resources are, as earlier questions told: rows of `resource` never change, nor do they go.

Unless the database itself goes back: so the question that uses a place looks whether it still holds.
The first question about a group brings all of its resources: who asks about one of them mostly asks about others.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from storage.directory import Directory

MOST: Final = 100_000  # places that are kept

OF_GROUP: Final = (
    "SELECT r.gid, r.rid, r.slot, r.id, p.id FROM resource r JOIN project p ON p.pid = r.pid WHERE r.gid = {}"
)


class Placed(NamedTuple):
    """Group, number and slot of a resource, and its project; "": nobody's."""

    gid: int
    rid: int
    slot: int
    owner: str


class Places:
    """By the names of resources. Whether a name has others, too, each question has to ask for itself.

    They are as good as what was learned together with `directory`.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._places: dict[str, tuple[Placed, ...]] = {}
        self._groups = set[int]()

    def of(self, resource_id: str, project_id: str | None) -> Placed | None:
        """The one place of this name in a project (None: in all); None where that is not known, or not one."""
        known = self._places.get(resource_id, ())
        if project_id is not None:
            known = tuple(place for place in known if place.owner == project_id)
        return known[0] if len(known) == 1 else None

    def has_group(self, gid: int) -> bool:
        """Whether the resources of a group were learned."""
        return gid in self._groups

    def learn_group(self, gid: int, rows: Iterable[tuple[int, int, int, str, str]]) -> None:
        """All rows of `OF_GROUP`."""
        for of, rid, slot, resource_id, owner in rows:
            self.learn(resource_id, Placed(of, rid, slot, owner))
        self._groups.add(gid)

    def learn(self, resource_id: str, place: Placed) -> None:
        """One of the places of this name."""
        if len(self._places) > MOST:
            self._places.clear()
            self._groups.clear()
        known = self._places.get(resource_id, ())
        if place not in known:
            self._places[resource_id] = (*known, place)
