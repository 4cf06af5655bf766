"""When the resources of a group were seen, without reading a sample: packed arrays, a value for each slot."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from storage.columns import Integers
from storage.errors import DamagedTile
from storage.tiles.layout import Series

SLOTS = 128
NEVER = -1
BYTES = 20 * SLOTS


@dataclass(frozen=True, slots=True)
class Sightings:
    """Of each slot the times of the first and last reading (-1: none yet), and the version of the last.

    Of several versions at that time it is the one that was made last.
    """

    first: Integers
    last: Integers
    ver: Integers

    def pack(self) -> bytes:
        """20 bytes a slot."""
        return (
            self.first.astype("<i8").tobytes()
            + self.last.astype("<i8").tobytes()
            + self.ver.astype("<i4").tobytes()
        )

    def joined(self, other: "Sightings") -> "Sightings":
        """What both saw."""
        first = np.where(self.first < 0, other.first, self.first)
        first = np.where((other.first >= 0) & (other.first < first), other.first, first)
        same = np.maximum(self.ver, other.ver)
        ver = np.where(self.last == other.last, same, np.where(self.last > other.last, self.ver, other.ver))
        return Sightings(first, np.maximum(self.last, other.last), ver)


def unpack_sightings(body: bytes) -> Sightings:
    """The sightings that `pack` packed; raises DamagedTile for those of another length."""
    if len(body) != BYTES:
        raise DamagedTile("when the resources of a group were seen is cut off")
    times = np.frombuffer(body, "<i8", 2 * SLOTS)
    ver = np.frombuffer(body, "<i4", SLOTS, 16 * SLOTS).astype(np.int64)
    return Sightings(times[:SLOTS].astype(np.int64), times[SLOTS:].astype(np.int64), ver)


def sight(meters: Iterable[Series]) -> Sightings:
    """What these readings (by slot and time) saw."""
    nothing = np.full(SLOTS, NEVER, np.int64)
    seen = Sightings(nothing, nothing, nothing)
    # Readings that came together share their arrays.
    different = {(id(series.slot), id(series.ts), id(series.ver)): series for series in meters}
    for series in different.values():
        begins = np.flatnonzero(np.diff(series.slot, prepend=-1))
        ends = np.append(begins[1:], len(series.slot)) - 1
        slots = series.slot[begins]
        first, last, ver = nothing.copy(), nothing.copy(), nothing.copy()
        first[slots], last[slots], ver[slots] = series.ts[begins], series.ts[ends], series.ver[ends]
        seen = seen.joined(Sightings(first, last, ver))
    return seen
