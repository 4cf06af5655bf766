"""Rows of `hot`, `late` and `delta` as columns, each reading once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from storage.columns import Columns, Integers, Volumes
from storage.names import Names
from storage.reading.asking import Value, ask

PAGE = 20_000

Rows = Sequence[Any]  # rows of integers and bytes, as tuples in the order of the table
Condition = tuple[str, Sequence[Value]]  # what must hold of a row, and the values of its marks (`%s`)


@dataclass(frozen=True, slots=True)
class PolledRows:
    """Rows of one group and shape by resource and time; `readings` has a row of raw big-endian words for each."""

    gid: int
    part: int
    rid: Integers
    ts: Integers
    ver: Integers
    recv: Integers
    readings: NDArray[np.int64]


def polled(
    connection: Connection,
    table: Table,
    condition: Condition,
    *,
    versions: bool = True,
    in_pages: bool = True,
) -> Iterator[list[PolledRows]]:
    """The rows of `hot` or `late`, in lists that hold all rows of a resource and time together.

    Without `in_pages` there is one list; without `versions` every `ver` is 0 where that is less to read.
    """
    if connection.dialect.name == "postgresql":
        statement = _packed(table, condition[0], versions=versions)
        yield [unpacked(row) for row in ask(connection, statement, condition[1])]
    else:
        for rows in pages(connection, table, condition) if in_pages else _whole(connection, table, condition):
            yield list(sorted_out(rows))


def pages(connection: Connection, table: Table, condition: Condition) -> Iterator[Rows]:
    """The rows in the order of their key; rows of one resource and time are on one page."""
    where, values = condition
    names = [column.name for column in table.primary_key][:3]  # group, resource and time
    key = itemgetter(*map([column.name for column in table.columns].index, names))
    # The group alone lets every database begin at the right place of the key.
    bound = f" AND gid >= %s AND ({', '.join(names)}) >= (%s, %s, %s)"
    start: tuple[int, int, int] | None = None
    size = PAGE
    while True:
        some = where if start is None else where + bound
        place = () if start is None else (start[0], *start)
        rows = ask(
            connection, f"{_all(table, some)} ORDER BY {', '.join(names)} LIMIT {size}", (*values, *place)
        )
        if len(rows) < size:
            yield rows
            return
        start = key(rows[-1])
        whole = [row for row in rows if key(row) != start]
        size = PAGE if whole else size * 2  # a page of one resource and time: take more of it
        yield whole


def explode(
    connection: Connection, names: Names, rows: Iterable[PolledRows], wanted: frozenset[int] | None
) -> list[Columns]:
    """The readings of the wanted meters (None: all); of several of one kind and time the first one wins.

    `rows` have all those of a resource and time, or none. Readings that came together share their arrays.
    """
    known = list(rows)
    names.learn_shapes(connection, {some.part for some in known})
    return columns_of(names, known, wanted)


def compete(connection: Connection, names: Names, rows: Iterable[PolledRows]) -> bool:
    """Whether readings of one kind and time may be in rows of several shapes, so that the first to come wins."""
    parts: dict[int, set[int]] = {}
    for some in rows:
        parts.setdefault(some.gid, set()).add(some.part)
    names.learn_shapes(connection, set().union(*parts.values()))
    for shapes in parts.values():
        kinds = [names.meter(mid).kind for part in shapes for mid in names.mids_of(part)]
        if len(set(kinds)) < len(kinds):
            return True
    return False


def columns_of(names: Names, rows: Iterable[PolledRows], wanted: frozenset[int] | None) -> list[Columns]:
    """The same of rows whose shapes are known to `names`."""
    by_group: dict[int, list[PolledRows]] = {}
    for some in rows:
        by_group.setdefault(some.gid, []).append(some)
    return [columns for group in by_group.values() for columns in _of_group(names, group, wanted)]


def delta_columns(connection: Connection, names: Names, rows: Rows) -> list[Columns]:
    """The readings in rows of `delta`."""
    by_meter: dict[tuple[int, int], list[Sequence[Any]]] = {}
    for row in rows:
        by_meter.setdefault((row[0], row[3]), []).append(row)
    names.learn_meters(connection, {mid for _, mid in by_meter})
    found = []
    for (gid, mid), some in by_meter.items():
        rids, times, ids, vers, arrivals, vals = zip(*[(*row[1:3], *row[4:]) for row in some], strict=True)
        kind = ">f8" if names.meter(mid).real else ">i8"
        volume = np.frombuffer(b"".join(vals), kind)
        rid, ts, ver, recv = np.array((rids, times, vers, arrivals), np.int64)
        found.append(Columns(gid, mid, rid, ts, ver, volume.astype(kind[1:]), recv, list(map(bytes, ids))))
    return found


def only(columns: Columns, chosen: NDArray[np.bool_]) -> Columns:
    """The chosen ones of these readings."""
    if chosen.all():
        return columns
    recv, ids = columns.recv, columns.ids
    return Columns(
        columns.gid,
        columns.mid,
        columns.rid[chosen],
        columns.ts[chosen],
        columns.ver[chosen],
        columns.volume[chosen],
        None if recv is None else recv[chosen],
        None if ids is None else list(compress(ids, chosen.tolist())),
    )


def _packed(table: Table, condition: str, *, versions: bool) -> str:
    """One row for each group and shape, its columns packed by the server: a tenth of the time of row by row.

    Each column takes it as long as to find the rows: so two of four bytes are one.
    """
    columns = ["int8send((rid::int8 << 32) + ver)" if versions else "int8send(rid::int8 << 32)"]
    columns += ["int8send(ts)", "vals", "int8send(recv)"]
    packed = ", ".join(f"string_agg({column}, ''::bytea)" for column in columns)
    return f"SELECT gid, part, {packed} FROM {table.name} WHERE {condition} GROUP BY gid, part"  # noqa: S608 - ours


def unpacked(row: Sequence[Any]) -> PolledRows:
    """Rows of a group and shape whose columns the server packed; without that of arrivals every `recv` is 0."""
    gid, part, names, times, vals, *arrivals = row
    both = np.frombuffer(names, ">i8").astype(np.int64)
    rid, ver = both >> 32, both & 0xFFFFFFFF
    ts = np.frombuffer(times, ">i8").astype(np.int64)
    recv = np.frombuffer(arrivals[0], ">i8").astype(np.int64) if arrivals else np.zeros(len(rid), np.int64)
    found = PolledRows(gid, part, rid, ts, ver, recv, np.frombuffer(vals, ">i8").reshape(len(rid), -1))
    place = (rid[1:] > rid[:-1]) | ((rid[1:] == rid[:-1]) & (ts[1:] > ts[:-1]))
    return found if place.all() else _ordered(found)


def order_of(rid: Integers, ts: Integers) -> NDArray[np.intp]:
    """What puts rows in order by resource and time; there is one at least."""
    named = rid - rid.min()
    if (ts[1:] >= ts[:-1]).all() and named.max() < 1 << 16:
        return np.argsort(named.astype(np.uint16), kind="stable")  # a tenth of the time
    return np.lexsort((ts, rid))


def _ordered(rows: PolledRows) -> PolledRows:
    order = order_of(rows.rid, rows.ts)
    columns = (column[order] for column in (rows.rid, rows.ts, rows.ver, rows.recv, rows.readings))
    return PolledRows(rows.gid, rows.part, *columns)


def _whole(connection: Connection, table: Table, condition: Condition) -> Iterator[Rows]:
    yield ask(connection, _all(table, condition[0]), condition[1])


def _all(table: Table, condition: str) -> str:
    columns = ", ".join(column.name for column in table.columns)
    return f"SELECT {columns} FROM {table.name} WHERE {condition}"  # noqa: S608 - ours


def sorted_out(rows: Rows) -> Iterator[PolledRows]:
    """Rows in any order, by group and shape."""
    if not rows:
        return
    *columns, vals = zip(*rows, strict=True)
    gid, rid, ts, part, ver, recv = np.array(columns, np.int64)
    order = np.lexsort((ts, rid, part, gid))
    begins = np.flatnonzero((np.diff(gid[order], prepend=-1) != 0) | (np.diff(part[order], prepend=-1) != 0))
    for at in np.split(order, begins[1:]):
        words = np.frombuffer(b"".join([vals[place] for place in at.tolist()]), ">i8").reshape(len(at), -1)
        first = at[0]
        yield PolledRows(int(gid[first]), int(part[first]), rid[at], ts[at], ver[at], recv[at], words)


def _of_group(names: Names, rows: Sequence[PolledRows], wanted: frozenset[int] | None) -> Iterator[Columns]:
    """The readings in rows of one group."""
    found: dict[int, list[tuple[PolledRows, int]]] = {}
    for some in rows:
        for column, mid in enumerate(names.mids_of(some.part)):
            if wanted is None or mid in wanted:
                found.setdefault(mid, []).append((some, column))
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for mid in sorted(found):
        kinds.setdefault(names.meter(mid).kind, []).append(mid)
    for mids in kinds.values():
        pieces = [(mid, *piece) for mid in mids for piece in found[mid]]
        if len(pieces) == 1:
            yield _columns(names, *pieces[0])
        else:
            yield from _first_ones(names, pieces)


def _columns(names: Names, mid: int, rows: PolledRows, column: int) -> Columns:
    words = rows.readings[:, column].astype(np.int64)
    volume: Volumes = words.view(np.float64) if names.meter(mid).real else words
    return Columns(rows.gid, mid, rows.rid, rows.ts, rows.ver, volume, rows.recv)


def _first_ones(names: Names, pieces: Sequence[tuple[int, PolledRows, int]]) -> Iterator[Columns]:
    """Readings of one kind out of several shapes: that which came first, then of the least shape, then meter."""
    columns = [_columns(names, *piece) for piece in pieces]
    sizes = [len(one.ts) for one in columns]
    of = np.repeat(np.arange(len(columns)), sizes)
    part = np.repeat([rows.part for _, rows, _ in pieces], sizes)
    rid, ts, ver = (np.concatenate([getattr(one, name) for one in columns]) for name in ("rid", "ts", "ver"))
    recv = np.concatenate([rows.recv for _, rows, _ in pieces])
    words = np.concatenate([one.volume.view(np.int64) for one in columns])
    mid = np.array([one.mid for one in columns])[of]
    order = np.lexsort((mid, part, recv, ts, rid))
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(rid[order]) == 0) & (np.diff(ts[order]) == 0)
    kept = order[~again]
    for one in np.unique(mid).tolist():
        at = kept[mid[kept] == one]
        if len(at):
            volume: Volumes = words[at].view(np.float64) if names.meter(one).real else words[at]
            yield Columns(columns[0].gid, one, rid[at], ts[at], ver[at], volume, recv[at])
