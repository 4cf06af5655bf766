"""Names to small numbers: projects, resources, meters, shapes and versions, each known by an integer for ever.

Numbers are handed out in a transaction of their own, before the samples that use them are written: a number
nobody uses is harmless, a number taken back would not be.
"""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, insert, select, update

from storage.database import Database
from storage.errors import SchemaMismatch
from storage.packing import pack_mids
from storage.sample import Sample
from storage.tables import id_counter, meter, project, resource, resource_group, series, shape, version

K = TypeVar("K", bound=Hashable)

GROUP_SIZE = 128
CHUNK = 200  # names asked for in one statement
CACHE_LIMIT = 500_000


@dataclass(frozen=True, slots=True)
class ResourceKey:
    """A resource as a sample names it."""

    project_id: str
    resource_id: str


@dataclass(frozen=True, slots=True)
class MeterKey:
    """A meter as it is counted: unlike types, units or number kinds never meet in one sum."""

    name: str
    type: str
    unit: str
    real: bool


@dataclass(frozen=True, slots=True)
class VersionKey:
    """What a sample says beside its number; `body` is the JSON text of its metadata, keys sorted."""

    user_id: str | None
    source: str
    generation: str | None
    body: str

    def digest(self) -> bytes:
        """16 bytes of the content."""
        content = json.dumps([self.user_id, self.source, self.generation, self.body])
        return hashlib.blake2b(content.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the samples of a resource live: `gid` its group, `rid` itself."""

    gid: int
    rid: int


def resource_key(sample: Sample) -> ResourceKey:
    """The resource a sample belongs to; "" is the project of what nobody owns."""
    return ResourceKey(sample.project_id or "", sample.resource_id)


def meter_key(sample: Sample) -> MeterKey:
    """The meter a sample belongs to; its number kind is that of its volume."""
    return MeterKey(sample.meter, sample.type, sample.unit, isinstance(sample.volume, float))


class Dimensions:
    """The numbers of all names, cached; several processes may hand them out at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projects: dict[str, int] = {}
        self._places: dict[ResourceKey, Place] = {}
        self._meters: dict[MeterKey, int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}
        self._versions: dict[bytes, int] = {}
        self._series: dict[tuple[int, int, int], None] = {}

    def places(self, keys: Iterable[ResourceKey]) -> dict[ResourceKey, Place]:
        """Group and number of every resource, made where they are new."""
        return self._numbers(keys, self._places, _find_resources, self._make_resources)

    def meters(self, keys: Iterable[MeterKey]) -> dict[MeterKey, int]:
        """The number (mid) of every meter."""
        return self._numbers(keys, self._meters, _find_meters, _make_meters)

    def shapes(self, keys: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
        """The number (part) of every set of meters; a set is its mids in ascending order."""
        return self._numbers(keys, self._shapes, _find_shapes, _make_shapes)

    def versions(self, keys: Iterable[VersionKey]) -> dict[VersionKey, int]:
        """The number (ver) of every content."""
        by_digest = {key.digest(): key for key in keys}

        def make(connection: Connection, missing: Sequence[bytes]) -> dict[bytes, int]:
            return _make_versions(connection, [by_digest[digest] for digest in missing])

        numbers = self._numbers(by_digest, self._versions, _find_versions, make)
        return {key: numbers[digest] for digest, key in by_digest.items()}

    def note_series(self, keys: Iterable[tuple[int, int, int]]) -> None:
        """Keeps that these (gid, rid, part) exist."""
        missing = sorted({key for key in keys if key not in self._series})
        if not missing:
            return
        self._database.write_retrying(
            lambda connection: self._database.dialect.insert_new(connection, series, missing)
        )
        _trim(self._series)
        self._series.update(dict.fromkeys(missing))

    def _numbers(
        self,
        keys: Iterable[K],
        cache: dict[K, Any],  # Any: a number, or a Place
        find: Callable[[Connection, Sequence[K]], dict[K, Any]],
        make: Callable[[Connection, Sequence[K]], dict[K, Any]],
    ) -> dict[K, Any]:
        wanted = dict.fromkeys(keys)
        missing = [key for key in wanted if key not in cache]
        known = {key: cache[key] for key in wanted if key in cache}
        if missing:
            fresh = self._database.write_retrying(
                lambda connection: _find_or_make(connection, missing, find, make)
            )
            _trim(cache)
            cache.update(fresh)
            known.update(fresh)
        return known

    def _make_resources(
        self, connection: Connection, keys: Sequence[ResourceKey]
    ) -> dict[ResourceKey, Place]:
        ids = list(dict.fromkeys(key.project_id for key in keys))
        projects = _find_or_make(connection, ids, _find_projects, _make_projects)
        first = _reserve(connection, "resource", len(keys))
        slots = _take_slots(connection, [projects[key.project_id] for key in keys])
        rows, places = [], {}
        for number, (key, (gid, slot)) in enumerate(zip(keys, slots, strict=True), start=first):
            pid = projects[key.project_id]
            rows.append({"rid": number, "pid": pid, "id": key.resource_id, "gid": gid, "slot": slot})
            places[key] = Place(gid, number)
        connection.execute(insert(resource), rows)
        return places


def _find_or_make(
    connection: Connection,
    keys: Sequence[K],
    find: Callable[[Connection, Sequence[K]], dict[K, Any]],
    make: Callable[[Connection, Sequence[K]], dict[K, Any]],
) -> dict[K, Any]:
    """Looks, then holds the counters (so that nobody else hands out numbers), looks again and makes the rest."""
    found = find(connection, keys)
    if len(found) == len(keys):
        return found
    _hold_counters(connection)
    found = find(connection, keys)
    missing = [key for key in keys if key not in found]
    return found | make(connection, missing) if missing else found


def _hold_counters(connection: Connection) -> None:
    """Takes the one row lock under which numbers are handed out, until commit."""
    changed = connection.execute(
        update(id_counter).where(id_counter.c.name == "turn").values(value=id_counter.c.value + 1)
    ).rowcount
    if changed != 1:
        raise SchemaMismatch("the counters are missing: run `nephometer db upgrade`")


def _reserve(connection: Connection, name: str, count: int) -> int:
    """The first of `count` numbers nobody had before."""
    connection.execute(
        update(id_counter).where(id_counter.c.name == name).values(value=id_counter.c.value + count)
    )
    last = connection.execute(select(id_counter.c.value).where(id_counter.c.name == name)).scalar_one()
    return int(last) - count + 1


def _take_slots(connection: Connection, pids: Sequence[int]) -> list[tuple[int, int]]:
    """A (gid, slot) for each resource, in groups of at most 128 of one project; groups fill before new ones open."""
    slots: dict[int, list[tuple[int, int]]] = {}
    for pid in dict.fromkeys(pids):
        wanted = pids.count(pid)
        taken: list[tuple[int, int]] = []
        group = resource_group
        open_groups = connection.execute(
            select(group.c.gid, group.c.used).where(group.c.pid == pid, group.c.used < GROUP_SIZE)
        ).all()
        for gid, used in open_groups:
            count = min(GROUP_SIZE - used, wanted - len(taken))
            taken += [(gid, slot) for slot in range(used, used + count)]
            if count:
                connection.execute(update(group).where(group.c.gid == gid).values(used=used + count))
        while len(taken) < wanted:
            count = min(GROUP_SIZE, wanted - len(taken))
            gid = _reserve(connection, "resource_group", 1)
            connection.execute(insert(group).values(gid=gid, pid=pid, used=count))
            taken += [(gid, slot) for slot in range(count)]
        slots[pid] = taken
    supply = {pid: iter(taken) for pid, taken in slots.items()}
    return [next(supply[pid]) for pid in pids]


def _find_projects(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in _chunks(ids):
        rows = connection.execute(select(project.c.id, project.c.pid).where(project.c.id.in_(chunk)))
        found.update((name, pid) for name, pid in rows)
    return found


def _make_projects(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    first = _reserve(connection, "project", len(ids))
    numbers = {name: number for number, name in enumerate(ids, start=first)}
    connection.execute(insert(project), [{"pid": pid, "id": name} for name, pid in numbers.items()])
    return numbers


def _find_resources(connection: Connection, keys: Sequence[ResourceKey]) -> dict[ResourceKey, Place]:
    wanted, found = set(keys), {}
    columns = select(project.c.id, resource.c.id, resource.c.gid, resource.c.rid)
    for chunk in _chunks(keys):
        rows = connection.execute(
            columns.where(
                resource.c.pid == project.c.pid, resource.c.id.in_([key.resource_id for key in chunk])
            )
        )
        for project_id, resource_id, gid, rid in rows:
            key = ResourceKey(project_id, resource_id)
            if key in wanted:
                found[key] = Place(gid, rid)
    return found


def _find_meters(connection: Connection, keys: Sequence[MeterKey]) -> dict[MeterKey, int]:
    wanted, found = set(keys), {}
    for chunk in _chunks(keys):
        for row in connection.execute(select(meter).where(meter.c.name.in_([key.name for key in chunk]))):
            key = MeterKey(row.name, row.type, row.unit, bool(row.real))
            if key in wanted:
                found[key] = row.mid
    return found


def _make_meters(connection: Connection, keys: Sequence[MeterKey]) -> dict[MeterKey, int]:
    first = _reserve(connection, "meter", len(keys))
    numbers = {key: number for number, key in enumerate(keys, start=first)}
    rows = [
        {"mid": mid, "name": key.name, "type": key.type, "unit": key.unit, "real": int(key.real)}
        for key, mid in numbers.items()
    ]
    connection.execute(insert(meter), rows)
    return numbers


def _find_shapes(connection: Connection, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    by_digest = {_shape_digest(key): key for key in keys}
    numbers = _find_by_digest(connection, shape, "part", list(by_digest))
    return {by_digest[digest]: number for digest, number in numbers.items()}


def _make_shapes(connection: Connection, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    first = _reserve(connection, "shape", len(keys))
    numbers = {key: number for number, key in enumerate(keys, start=first)}
    rows = [
        {"part": part, "digest": _shape_digest(key), "mids": pack_mids(key)} for key, part in numbers.items()
    ]
    connection.execute(insert(shape), rows)
    return numbers


def _shape_digest(mids: tuple[int, ...]) -> bytes:
    return hashlib.blake2b(pack_mids(mids), digest_size=16).digest()


def _find_versions(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    return _find_by_digest(connection, version, "ver", digests)


def _make_versions(connection: Connection, keys: Sequence[VersionKey]) -> dict[bytes, int]:
    first = _reserve(connection, "version", len(keys))
    numbers = {key.digest(): number for number, key in enumerate(keys, start=first)}
    rows = [
        {
            "ver": number,
            "digest": key.digest(),
            "user_id": key.user_id,
            "source": key.source,
            "generation": key.generation,
            "metadata": key.body,
        }
        for number, key in enumerate(keys, start=first)
    ]
    connection.execute(insert(version), rows)
    return numbers


def _find_by_digest(
    connection: Connection, table: Table, number: str, digests: Sequence[bytes]
) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for chunk in _chunks(digests):
        rows = connection.execute(select(table.c.digest, table.c[number]).where(table.c.digest.in_(chunk)))
        found.update((bytes(digest), value) for digest, value in rows)
    return found


def _chunks(keys: Sequence[K]) -> Iterable[list[K]]:
    supply = iter(keys)
    while chunk := list(islice(supply, CHUNK)):
        yield chunk


def _trim(cache: dict[Any, Any]) -> None:
    """Forgets everything when it grew too large: the database still knows."""
    if len(cache) > CACHE_LIMIT:
        cache.clear()
