"""The readings of one meter out of rows of many: the server sends their bytes alone, packed.

To group them there would double its time, so one row comes back, with the numbers of every reading in it.
PostgreSQL only: others have nothing that packs bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from storage.columns import Columns, Integers, Volumes
from storage.names import Names
from storage.packing import READING
from storage.reading.asking import Value, ask

COLUMNS = 6  # bytes: of all readings the group, resource, time, value, shape and arrival
_NONE = "NULL::bytea"


@dataclass(frozen=True, slots=True)
class Picked:
    """Where in the rows of each shape the reading stands, and which meter it is of.

    Groups and resources are sent only where they are wanted, or where two rows may be of one reading.
    """

    places: Mapping[int, tuple[int, int]]
    gids: frozenset[int] | None
    by_resource: bool

    @property
    def has_rivals(self) -> bool:
        """Whether two rows may be of one reading."""
        return len(self.places) > 1

    def sql(self) -> str:
        """What to select from rows of these shapes and groups."""
        starts = {part: 1 + READING * place for part, (place, _) in self.places.items()}
        if len({*starts.values()}) == 1:
            start = str(next(iter(starts.values())))
        else:
            start = f"CASE part {' '.join(f'WHEN {part} THEN {at}' for part, at in starts.items())} END"
        several = self.gids is None or len(self.gids) > 1
        columns = (
            "int4send(gid)" if several else None,
            "int4send(rid)" if self.by_resource or self.has_rivals else None,
            "int8send(ts)",
            f"substr(vals, {start}, {READING})",
            "int4send(part)" if self.has_rivals else None,
            "int8send(recv)" if self.has_rivals else None,
        )
        return ", ".join(_NONE if one is None else f"string_agg({one}, ''::bytea)" for one in columns)

    def columns(self, names: Names, row: Sequence[Any]) -> Iterator[Columns]:
        """The readings in the answer, of several of one kind and time the first one; without versions and arrivals.

        Without `by_resource` every `rid` is 0: nobody looks at them, and nobody need know their names.
        """
        gids, rids, times, vals, parts, arrivals = row
        if times is None:
            return
        ts, words = _numbers(times, ">i8"), _numbers(vals, ">i8")
        gid = np.full(len(ts), next(iter(self.gids or (0,)))) if gids is None else _numbers(gids, ">i4")
        rid = np.zeros(len(ts), np.int64) if rids is None else _numbers(rids, ">i4")
        if parts is None:
            ((_, mid),) = self.places.values()
            order = np.lexsort((ts, rid)) if rids is not None else np.arange(len(ts))
            mids = np.full(len(ts), mid)
        else:
            part = _numbers(parts, ">i4")
            mids, kind = self._meters(names, part)
            order = np.lexsort((mids, part, _numbers(arrivals, ">i8"), ts, rid, kind))
            order = order[_first_ones(kind[order], rid[order], ts[order])]
        for one in np.unique(gid).tolist():
            for mid in sorted({mid for _, mid in self.places.values()}):
                at = order[(gid[order] == one) & (mids[order] == mid)]
                if len(at):
                    own, nobody = words[at], np.zeros(len(at), np.int64)
                    volume: Volumes = own.view(np.float64) if names.meter(mid).real else own
                    yield Columns(one, mid, rid[at] if self.by_resource else nobody, ts[at], nobody, volume)

    def _meters(self, names: Names, part: Integers) -> tuple[Integers, Integers]:
        """The meter of each reading, and a number for what it is of, whichever kind of number it is."""
        shapes = np.array(sorted(self.places))
        found = [self.places[shape][1] for shape in shapes.tolist()]
        kinds = [names.meter(mid).kind for mid in found]
        place = np.searchsorted(shapes, part)
        return np.array(found)[place], np.array([kinds.index(kind) for kind in kinds])[place]


def pick(
    names: Names,
    parts: frozenset[int] | None,
    mids: frozenset[int],
    gids: frozenset[int] | None,
    *,
    by_resource: bool,
) -> Picked | None:
    """How to read these meters from rows of these shapes, which `names` know; None where a row has several."""
    if not parts:
        return None
    places: dict[int, tuple[int, int]] = {}
    for part in sorted(parts):
        wanted = [(place, mid) for place, mid in enumerate(names.mids_of(part)) if mid in mids]
        if len(wanted) != 1:
            return None
        places[part] = wanted[0]
    return Picked(places, gids, by_resource)


def read_picked(
    connection: Connection, names: Names, picked: Picked, condition: tuple[str, Sequence[Value]]
) -> Iterator[Columns]:
    """The readings of rows of `hot`."""
    statement = f"SELECT {picked.sql()} FROM hot WHERE {condition[0]}"  # noqa: S608 - ours
    for row in ask(connection, statement, condition[1]):
        yield from picked.columns(names, row)


def _numbers(data: bytes, kind: str) -> Integers:
    return np.frombuffer(data, kind).astype(np.int64)


def _first_ones(*columns: Integers) -> NDArray[np.bool_]:
    """Which rows differ from the one before them."""
    first = np.ones(len(columns[0]), bool)
    first[1:] = False
    for column in columns:
        first[1:] |= column[1:] != column[:-1]
    return first
