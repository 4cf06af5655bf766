"""Names found in the dimension tables, and numbers handed out to new ones.

Whoever makes a number holds one row, the turn, until commit: so no name ever gets two numbers.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from storage.errors import SchemaMismatch
from storage.ingest.keys import MeterKey, ResourceKey
from storage.packing import pack_mids
from storage.tables import id_counter, meter, project, resource, resource_group, shape, version

K = TypeVar("K", bound=Hashable)

GROUP_SIZE = 128
CHUNK = 200  # names asked for in one statement


@dataclass(frozen=True, slots=True)
class Place:
    """Where the samples of a resource live: `gid` its group, `rid` itself."""

    gid: int
    rid: int


def find_or_make(
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


def reserve(connection: Connection, name: str, count: int) -> int:
    """The first of `count` numbers nobody had before."""
    connection.execute(
        update(id_counter).where(id_counter.c.name == name).values(value=id_counter.c.value + count)
    )
    last = connection.execute(select(id_counter.c.value).where(id_counter.c.name == name)).scalar_one()
    return int(last) - count + 1


def _take_slots(connection: Connection, pids: Sequence[int]) -> list[tuple[int, int]]:
    """A (gid, slot) for each resource, in groups of at most 128 of one project; groups fill before new ones open."""
    wanted = Counter(pids)
    slots: dict[int, list[tuple[int, int]]] = {pid: [] for pid in wanted}
    used_now = []
    for pid, gid, used in _open_groups(connection, list(wanted)):
        count = min(GROUP_SIZE - used, wanted[pid] - len(slots[pid]))
        slots[pid] += [(gid, slot) for slot in range(used, used + count)]
        if count:
            used_now.append({"of": gid, "now": used + count})
    if used_now:
        group = resource_group.c
        change = update(resource_group).where(group.gid == bindparam("of")).values(used=bindparam("now"))
        connection.execute(change, used_now)
    opened = [
        (pid, min(GROUP_SIZE, more - first))
        for pid, more in ((pid, count - len(slots[pid])) for pid, count in wanted.items())
        for first in range(0, more, GROUP_SIZE)
    ]
    if opened:
        numbered = list(enumerate(opened, reserve(connection, "resource_group", len(opened))))
        rows = [{"gid": gid, "pid": pid, "used": count} for gid, (pid, count) in numbered]
        connection.execute(insert(resource_group), rows)
        for gid, (pid, count) in numbered:
            slots[pid] += [(gid, slot) for slot in range(count)]
    supply = {pid: iter(taken) for pid, taken in slots.items()}
    return [next(supply[pid]) for pid in pids]


def _open_groups(connection: Connection, pids: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Project, group and how many are in it, of groups that can take more."""
    group = resource_group.c
    for chunk in _chunks(pids):
        which = select(group.pid, group.gid, group.used).where(group.pid.in_(chunk), group.used < GROUP_SIZE)
        yield from (tuple(row) for row in connection.execute(which).all())


def _find_projects(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in _chunks(ids):
        rows = connection.execute(select(project.c.id, project.c.pid).where(project.c.id.in_(chunk)))
        found.update((name, pid) for name, pid in rows)
    return found


def _make_projects(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    first = reserve(connection, "project", len(ids))
    numbers = {name: number for number, name in enumerate(ids, start=first)}
    connection.execute(insert(project), [{"pid": pid, "id": name} for name, pid in numbers.items()])
    return numbers


def find_resources(connection: Connection, keys: Sequence[ResourceKey]) -> dict[ResourceKey, Place]:
    """The places of those resources that are known."""
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


def find_meters(connection: Connection, keys: Sequence[MeterKey]) -> dict[MeterKey, int]:
    """The numbers of those meters that are known."""
    wanted, found = set(keys), {}
    for chunk in _chunks(keys):
        for row in connection.execute(select(meter).where(meter.c.name.in_([key.name for key in chunk]))):
            key = MeterKey(row.name, row.type, row.unit, bool(row.real))
            if key in wanted:
                found[key] = row.mid
    return found


def make_meters(connection: Connection, keys: Sequence[MeterKey]) -> dict[MeterKey, int]:
    """New numbers for these meters."""
    first = reserve(connection, "meter", len(keys))
    numbers = {key: number for number, key in enumerate(keys, start=first)}
    rows = [
        {"mid": mid, "name": key.name, "type": key.type, "unit": key.unit, "real": int(key.real)}
        for key, mid in numbers.items()
    ]
    connection.execute(insert(meter), rows)
    return numbers


def find_shapes(connection: Connection, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    """The numbers of those shapes that are known."""
    by_digest = {_shape_digest(key): key for key in keys}
    numbers = _find_by_digest(connection, shape, "part", list(by_digest))
    return {by_digest[digest]: number for digest, number in numbers.items()}


def make_shapes(connection: Connection, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    """New numbers for these shapes."""
    first = reserve(connection, "shape", len(keys))
    numbers = {key: number for number, key in enumerate(keys, start=first)}
    rows = [
        {"part": part, "digest": _shape_digest(key), "mids": pack_mids(key)} for key, part in numbers.items()
    ]
    connection.execute(insert(shape), rows)
    return numbers


def _shape_digest(mids: tuple[int, ...]) -> bytes:
    return hashlib.blake2b(pack_mids(mids), digest_size=16).digest()


def find_versions(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of those contents that are known, by digest."""
    return _find_by_digest(connection, version, "ver", digests)


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


def make_resources(connection: Connection, keys: Sequence[ResourceKey]) -> dict[ResourceKey, Place]:
    """New places for these resources, their projects made where they are new."""
    ids = list(dict.fromkeys(key.project_id for key in keys))
    projects = find_or_make(connection, ids, _find_projects, _make_projects)
    first = reserve(connection, "resource", len(keys))
    slots = _take_slots(connection, [projects[key.project_id] for key in keys])
    rows, places = [], {}
    for number, (key, (gid, slot)) in enumerate(zip(keys, slots, strict=True), start=first):
        pid = projects[key.project_id]
        rows.append({"rid": number, "pid": pid, "id": key.resource_id, "gid": gid, "slot": slot})
        places[key] = Place(gid, number)
    connection.execute(insert(resource), rows)
    return places
