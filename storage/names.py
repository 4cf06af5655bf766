"""What the numbers in rows stand for. The meaning of a number never changes, so all of them are cached.

Unless the database itself begins again from an earlier day (a backup, a standby that lacked the last rows): whoever
finds that out lets `Names` begin anew.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection, select

from storage.columns import Integers
from storage.directory import Directory, Place
from storage.packing import unpack_mids
from storage.reading.asking import ask, marks
from storage.sample import SampleType
from storage.tables import meter, project, resource, resource_group, shape, version

CHUNK = 200
CACHE_LIMIT = 200_000  # owners, and versions: a few hundred bytes each
SLOTS = 128


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter's names; `real` tells float64 from int64 readings."""

    name: str
    type: SampleType
    unit: str
    real: bool

    @property
    def kind(self) -> tuple[str, str, str]:
        """What a reading is of, whichever kind of number it is."""
        return self.name, self.type, self.unit


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
    counters_only: bool = False  # readings of other than cumulative meters have no generation


class Names:
    """The names of numbers that were learned before they are asked for."""

    def __init__(self) -> None:
        self._meters: dict[int, Meter] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._owners: dict[int, Owner] = {}
        self._versions: dict[int, Version] = {}
        self._generations: dict[int, str | None] = {}
        self._slots: dict[int, Integers] = {}
        self._projects: dict[int, str | None] = {}
        self.directory = Directory()
        self._lender: Names | None = None
        self._breaks = 0

    def meter(self, mid: int) -> Meter:
        """The meter of this number."""
        return self._meters[mid]

    def is_polled(self, mid: int) -> bool:
        """Whether this is known to be a meter without delta samples."""
        return mid in self._meters and self._meters[mid].type != "delta"

    def owner(self, rid: int) -> Owner:
        """The resource of this number."""
        return self._owners[rid]

    def version(self, ver: int) -> Version:
        """The version of this number."""
        return self._versions[ver]

    def generation(self, ver: int) -> str | None:
        """The generation of the version of this number."""
        return self._generations[ver]

    def mids_of(self, part: int) -> tuple[int, ...]:
        """The meters of a shape."""
        return self._shapes[part]

    def project_of(self, gid: int) -> str | None:
        """The project of a group (None: nobody's)."""
        return self._projects[gid]

    def forget(self) -> None:
        """Begins anew what grew too large. Whoever was `lent` the old caches keeps them."""
        if len(self._owners) > CACHE_LIMIT:
            self._owners = {}
        if len(self._versions) > CACHE_LIMIT:
            self._versions = {}
        if len(self._generations) > CACHE_LIMIT:
            self._generations = {}
        if len(self._slots) > CACHE_LIMIT:
            self._slots = {}

    def lent(self, breaks: int = 0) -> "Names":
        """The same caches for one question: what it learns stays known to it whatever is forgotten meanwhile.

        They begin anew where connections broke since (`Database.breaks`).
        """
        if breaks != self._breaks:
            self.begin_anew()
            self._breaks = breaks
        self.forget()
        lent = Names.__new__(Names)  # `copy` would ask first what kind of object it has
        lent.__dict__.update(self.__dict__)
        lent._lender = self
        return lent

    def begin_anew(self) -> None:
        """Forgets everything, also for who lent it: the numbers stand for something else, as after a restore."""
        names: Names | None = self
        while names is not None:
            lender = names._lender
            names.__dict__.update(Names().__dict__, _lender=lender, _breaks=names._breaks)
            names = lender

    def learn_meters(self, connection: Connection, mids: Iterable[int]) -> None:
        """Makes `meter` answer for these."""
        for chunk in _missing(mids, self._meters):
            for row in connection.execute(select(meter).where(meter.c.mid.in_(chunk))):
                kind = cast("SampleType", row.type)  # only normalized samples were stored
                self._meters[row.mid] = Meter(row.name, kind, row.unit, bool(row.real))

    def learn_shapes(self, connection: Connection, parts: Iterable[int]) -> None:
        """Makes `mids_of` answer for these, and `meter` for what they name."""
        for chunk in _missing(parts, self._shapes):
            rows = connection.execute(select(shape.c.part, shape.c.mids).where(shape.c.part.in_(chunk)))
            for part, blob in rows.all():
                mids = unpack_mids(blob)
                self.learn_meters(connection, mids)
                self._shapes[part] = mids

    def learn_owners(self, connection: Connection, rids: Iterable[int]) -> None:
        """Makes `owner` answer for these."""
        for chunk in _missing(rids, self._owners):
            named = select(resource.c.rid, resource.c.id, project.c.id).where(resource.c.pid == project.c.pid)
            for rid, name, owner in connection.execute(named.where(resource.c.rid.in_(chunk))):
                self._owners[rid] = Owner(name, owner or None)

    def learn_versions(self, connection: Connection, vers: Iterable[int]) -> None:
        """Makes `version` answer for these."""
        for chunk in _missing(vers, self._versions):
            for row in connection.execute(select(version).where(version.c.ver.in_(chunk))):
                body = json.loads(row.metadata)
                self._versions[row.ver] = Version(
                    row.user_id, row.source, row.generation, body, bool(row.counters_only)
                )

    def learn_generations(self, connection: Connection, vers: Iterable[int]) -> None:
        """Makes `generation` answer for these, without what else versions say."""
        for chunk in _missing(vers, self._generations):
            asked = f"SELECT ver, generation FROM version WHERE ver IN ({marks(chunk)})"  # noqa: S608 - only marks
            self._generations.update(ask(connection, asked, chunk))

    def learn_projects(self, connection: Connection, gids: Iterable[int]) -> None:
        """Makes `project_of` answer for these."""
        for chunk in _missing(gids, self._projects):
            named = select(resource_group.c.gid, project.c.id).where(resource_group.c.pid == project.c.pid)
            for gid, owner in connection.execute(named.where(resource_group.c.gid.in_(chunk))):
                self._projects[gid] = owner or None

    def rids(self, connection: Connection, gid: int, slots: Integers) -> Integers:
        """The resources in these slots of a group."""
        known = self._slots.get(gid)
        if known is None or not known[slots].all():
            known = self._learn_slots(connection, gid)
        found: Integers = known[slots]
        return found

    def known_rids(self, gid: int, slots: Integers) -> Integers:
        """The same of slots that were asked for before."""
        found: Integers = self._slots[gid][slots]
        return found

    def know(self, place: Place, owner: Owner) -> None:
        """What a resource is called, and where it is."""
        gid, rid, slot = place
        known = self._slots.get(gid)
        if known is None:
            known = self._slots.setdefault(gid, np.zeros(SLOTS, np.int64))
        known[slot] = rid
        self._owners[rid] = owner

    def knows(self, place: Place) -> bool:
        """Whether `known_rids` and `owner` answer for a resource."""
        gid, rid, slot = place
        return rid in self._owners and gid in self._slots and int(self._slots[gid][slot]) == rid

    def slots_in(self, connection: Connection, gid: int, rid: Integers) -> Integers:
        """The slots of these resources of a group."""
        known = self._slots.get(gid)
        if known is not None:
            slots = _places_in(known, rid)
            if (known[slots] == rid).all():
                return slots
        return _places_in(self._learn_slots(connection, gid), rid)

    def _learn_slots(self, connection: Connection, gid: int) -> Integers:
        known = np.zeros(SLOTS, np.int64)
        rows = connection.execute(select(resource.c.slot, resource.c.rid).where(resource.c.gid == gid))
        for slot, rid in rows:
            known[slot] = rid
        self._slots[gid] = known
        return known

    def slots(self, connection: Connection, rids: Iterable[int]) -> dict[int, dict[int, int]]:
        """The slot of each of these resources, by group and resource."""
        found: dict[int, dict[int, int]] = {}
        place = select(resource.c.gid, resource.c.rid, resource.c.slot)
        for chunk in _missing(rids, {}):
            for gid, rid, slot in connection.execute(place.where(resource.c.rid.in_(chunk))):
                found.setdefault(gid, {})[rid] = slot
        return found


def _places_in(known: Integers, rid: Integers) -> Integers:
    order = np.argsort(known, kind="stable")
    return order[np.minimum(np.searchsorted(known[order], rid), len(known) - 1)]


def _missing(numbers: Iterable[int], known: Mapping[int, Any]) -> Iterator[Sequence[int]]:
    missing = sorted({number for number in numbers if number not in known})
    for start in range(0, len(missing), CHUNK):
        yield missing[start : start + CHUNK]
