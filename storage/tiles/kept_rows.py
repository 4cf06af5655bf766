"""Rows of `hot` this process stored, kept until they are sealed, so that whoever seals them need not read them.

A row of `hot` never changes. So where the database has as many rows of some hours as are kept here, it has no others;
else somebody else stored some, too, and all are read.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from threading import Lock

import numpy as np
from sqlalchemy import Connection

from storage.ingest.rows import Rows
from storage.reading.asking import ask
from storage.reading.polled import PolledRows, order_of

MOST = 32 << 20  # bytes that are kept: some 240 000 rows of ten readings

FOREVER = 1 << 62

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
            some = [own for rows in self._rows if (own := _between(rows, start, end)) is not None]
            rest = [own for rows in self._rows if (own := _between(rows, end, FOREVER)) is not None]
            self._rows = deque(rest)
            self._bytes = sum(rows.nbytes for rows in rest)
            self._whole_from = max(self._whole_from, end)
        if not is_whole or not some:
            return None
        ((there,),) = ask(connection, _COUNT, (start, end))
        return list(_arranged(some)) if there == sum(map(len, some)) else None


def _between(rows: Rows, start: int, end: int) -> Rows | None:
    first, last = int(rows.ts.min()), int(rows.ts.max())
    if last < start or first >= end:
        return None
    if start <= first and last < end:
        return rows
    chosen = rows.only((rows.ts >= start) & (rows.ts < end))
    return chosen if len(chosen) else None


def _arranged(some: Iterable[Rows]) -> Iterator[PolledRows]:
    """By group and shape, each by resource and time."""
    pieces: dict[tuple[int, int], list[tuple[Rows, int, int]]] = {}
    for rows in some:
        for part, own in _by_shape(rows):
            gid = own.numbers[0]
            borders = [0, *(np.flatnonzero(gid[1:] != gid[:-1]) + 1).tolist(), len(gid)]
            for begin, end in pairwise(borders):
                pieces.setdefault((int(gid[begin]), part), []).append((own, begin, end))
    for (group, part), found in pieces.items():
        columns = zip(
            *([column[begin:end] for column in own.numbers] for own, begin, end in found), strict=True
        )
        _, rid, ts, _, ver, recv = map(np.concatenate, columns)
        width = int(found[0][0].width[0])
        words = [own.readings[begin * width : end * width].view(np.int64) for own, begin, end in found]
        at = order_of(rid, ts)
        # Whatever order their bytes are in, numbers of this machine are moved in a quarter of the time.
        readings = np.concatenate(words).reshape(-1, width).take(at, axis=0).view(">i8")
        yield PolledRows(group, part, rid[at], ts[at], ver[at], recv[at], readings)


def _by_shape(rows: Rows) -> Iterator[tuple[int, Rows]]:
    part = rows.part
    if (part == part[0]).all():
        yield int(part[0]), rows
    else:
        yield from ((one, rows.only(part == one)) for one in np.unique(part).tolist())
