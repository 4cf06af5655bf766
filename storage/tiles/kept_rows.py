"""Rows of `hot` this process stored, kept until they are sealed, so that whoever seals them need not read them.

A row of `hot` never changes. So where the database has as many rows of some hours as are kept here, it has no others;
else somebody else stored some, too, and all are read.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
from sqlalchemy import Connection

from storage.columns import Integers
from storage.ingest.rows import Rows
from storage.reading.asking import ask
from storage.reading.polled import PolledRows, order_of

MOST = 32 << 20  # bytes that are kept: some 240 000 rows of ten readings

_COUNT = "SELECT count(*) FROM hot WHERE ts >= %s AND ts < %s"


class KeptRows:
    """At most so many bytes; where more come, the first ones are forgotten. For any number of threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._rows: deque[Rows] = deque()
        self._bytes = 0
        self._whole_from = 0  # earlier rows were forgotten, or are sealed

    def keep(self, rows: Rows) -> None:
        """Rows that are in `hot` since a moment ago, each of which was new there."""
        with self._lock:
            self._rows.append(rows)
            self._bytes += rows.nbytes
            while self._bytes > self._most:
                first = self._rows.popleft()
                self._bytes -= first.nbytes
                self._whole_from = max(self._whole_from, int(first.ts.max()) + 1)

    def taken(self, connection: Connection, start: int, end: int) -> list[PolledRows] | None:
        """All rows of `hot` in these hours, which are closed; None where that is not known.

        Those before `end` are not kept any longer.
        """
        with self._lock:
            is_whole = start >= self._whole_from
            some = [rows.only((rows.ts >= start) & (rows.ts < end)) for rows in self._rows]
            rest = [rows.only(rows.ts >= end) for rows in self._rows]
            self._rows = deque(rows for rows in rest if len(rows))
            self._bytes = sum(rows.nbytes for rows in self._rows)
            self._whole_from = max(self._whole_from, end)
        known = sum(map(len, some))
        if not is_whole or not known:
            return None
        ((there,),) = ask(connection, _COUNT, (start, end))
        return list(_arranged([rows for rows in some if len(rows)])) if there == known else None


def _arranged(some: Sequence[Rows]) -> Iterator[PolledRows]:
    """By group and shape, each by resource and time."""
    shapes: set[int] = set().union(*(np.unique(rows.part).tolist() for rows in some))
    for part in sorted(shapes):
        own = [rows.only(rows.part == part) for rows in some]
        gid, rid, ts, _, ver, recv = map(np.concatenate, zip(*(rows.numbers for rows in own), strict=True))
        readings = np.concatenate([rows.readings for rows in own]).reshape(len(gid), -1)
        for group, chosen in _by_group(gid):
            at = chosen[order_of(rid[chosen], ts[chosen])]
            yield PolledRows(group, part, rid[at], ts[at], ver[at], recv[at], readings[at])


def _by_group(gid: Integers) -> Iterator[tuple[int, Integers]]:
    """Where the rows of each group are."""
    order = np.argsort(gid, kind="stable")
    begins = np.flatnonzero(np.diff(gid[order], prepend=-1))
    for at in np.split(order, begins[1:]):
        yield int(gid[at[0]]), at
