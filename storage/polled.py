"""Rows of `hot`, `late` and `delta` as columns, each reading once."""

from collections.abc import Iterator, Sequence
from itertools import compress, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Table, select, tuple_

from storage.columns import Columns, Integers, Volumes
from storage.names import Names
from storage.selection import Selection

PAGE = 20_000

Rows = Sequence[Row[Any]]  # Any: integers and bytes


def pages(connection: Connection, table: Table, selection: Selection) -> Iterator[Rows]:
    """The selected rows by group, resource and time; rows of one resource and time are on one page."""
    place = (table.c.gid, table.c.rid, table.c.ts)
    statement = select(table).where(selection.where(table)).order_by(*place)
    start: tuple[int, int, int] | None = None
    size = PAGE
    while True:
        # The group alone lets every database begin at the right place of the key.
        bound = () if start is None else (table.c.gid >= start[0], tuple_(*place) >= start)
        rows = connection.execute(statement.where(*bound).limit(size)).all()
        if len(rows) < size:
            yield rows
            return
        last = rows[-1]
        start = (last.gid, last.rid, last.ts)
        whole = [row for row in rows if (row.gid, row.rid, row.ts) != start]
        size = PAGE if whole else size * 2  # a page of one resource and time: take more of it
        yield whole


def explode(connection: Connection, names: Names, rows: Rows, wanted: frozenset[int] | None) -> list[Columns]:
    """The readings of the wanted meters (None: all) in rows of `hot` or `late`; the first reading wins.

    `rows` have those of one resource and time side by side.
    """
    if not rows:
        return []
    gid, rid, ts, part, ver, recv, vals = zip(*rows, strict=True)
    names.learn_shapes(connection, set(part))
    around = np.array((rid, ts, part, ver, recv), np.int64)
    found = _by_meter(names, around[2], vals, wanted)
    same = (around[0, 1:] == around[0, :-1]) & (around[1, 1:] == around[1, :-1])
    siblings = len({names.meter(mid).kind for mid in found}) < len(found)
    if siblings or same.any():
        found = _first_ones(names, around, found)
    groups = np.array(gid, np.int64)
    return [
        Columns(group, mid, around[0, some], around[1, some], around[3, some], volume[run], around[4, some])
        for mid, (at, volume) in found.items()
        for group, run in _runs(groups[at])
        for some in (at[run],)
    ]


def delta_columns(connection: Connection, names: Names, rows: Rows) -> list[Columns]:
    """The readings in rows of `delta`."""
    names.learn_meters(connection, {row.mid for row in rows})
    by_meter: dict[tuple[int, int], list[Row[Any]]] = {}
    for row in rows:
        by_meter.setdefault((row.gid, row.mid), []).append(row)
    found = []
    for (gid, mid), some in by_meter.items():
        kind = ">f8" if names.meter(mid).real else ">i8"
        volume = np.frombuffer(b"".join(row.vals for row in some), kind)
        rid, ts, ver, recv = np.array([(row.rid, row.ts, row.ver, row.recv) for row in some], np.int64).T
        ids = [bytes(row.id) for row in some]
        found.append(Columns(gid, mid, rid, ts, ver, volume.astype(kind[1:]), recv, ids))
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


def _runs(groups: Integers) -> Iterator[tuple[int, slice]]:
    """Each group of an array of sorted ones, and where it stands."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
    for start, end in pairwise((*starts, len(groups))):
        yield int(groups[start]), slice(start, end)


_Found = dict[int, tuple[Integers, Volumes]]


def _by_meter(names: Names, part: Integers, vals: Sequence[bytes], wanted: frozenset[int] | None) -> _Found:
    """Of each meter: which rows have a reading of it, and the readings."""
    pieces: dict[int, list[tuple[Integers, Volumes]]] = {}
    for number in np.unique(part).tolist():
        mids = names.mids_of(number)
        at = np.flatnonzero(part == number)
        table = np.frombuffer(b"".join([vals[place] for place in at.tolist()]), ">i8").reshape(-1, len(mids))
        for column, mid in enumerate(mids):
            if wanted is None or mid in wanted:
                bits = table[:, column].astype(np.int64)
                volume = bits.view(np.float64) if names.meter(mid).real else bits
                pieces.setdefault(mid, []).append((at, volume))
    return {mid: _joined(some) for mid, some in pieces.items()}


def _joined(pieces: list[tuple[Integers, Volumes]]) -> tuple[Integers, Volumes]:
    if len(pieces) == 1:
        return pieces[0]
    at, volume = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    order = np.argsort(at, kind="stable")
    return at[order], volume[order]


def _first_ones(names: Names, around: Integers, found: _Found) -> _Found:
    """Where a resource has several readings of a kind at one time: the one that came first, then of the least shape."""
    by_kind: dict[tuple[str, str, str], list[int]] = {}
    for mid in sorted(found):
        by_kind.setdefault(names.meter(mid).kind, []).append(mid)
    for mids in by_kind.values():
        at = np.concatenate([found[mid][0] for mid in mids])
        of = np.repeat(np.arange(len(mids)), [len(found[mid][0]) for mid in mids])
        rid, ts, part, _, recv = around[:, at]
        order = np.lexsort((part, recv, ts, rid))
        again = np.zeros(len(at), bool)
        again[order[1:]] = (np.diff(rid[order]) == 0) & (np.diff(ts[order]) == 0)
        if again.any():
            for number, mid in enumerate(mids):
                kept = ~again[of == number]
                found[mid] = (found[mid][0][kept], found[mid][1][kept])
    return found
