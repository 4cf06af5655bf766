"""Readings as columns: arrays of equal length instead of an object each.

What is read in numbers passes from the layers to those who count in this form; names are looked up at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Volumes = Integers | Floats
Objects = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one meter of one group, each once, in no order; arrays of one length.

    `ts` are microseconds since 1970 UTC. `volume` is int64 or float64, by meter. `ids` only of delta samples.
    `recv` is when a reading arrived; None where nobody knows any more (sealed readings).
    """

    gid: int
    mid: int
    rid: Integers
    ts: Integers
    ver: Integers
    volume: Volumes
    recv: Integers | None = None
    ids: Sequence[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Readings of one meter of one group that were counted before; one entry per resource and span of time.

    `rid` is 0 where an entry counts all resources of the group together. `start` is the beginning of the hour (or of
    the whole day) an entry counts, `first` and `last` are the times of its first and last reading, all in
    microseconds since 1970 UTC. No entry is empty. The sum of an integer meter is `high * 2**32 + low` (exact,
    0 <= low < 2**32 before anything is added up); that of a real meter is `high` alone, a float, and `low` is zero.
    `spread` is the sum of squares of the distances to the mean, float64; None where it was not kept.
    """

    gid: int
    mid: int
    rid: Integers
    start: Integers
    count: Integers
    first: Integers
    last: Integers
    least: Volumes
    most: Volumes
    high: Volumes
    low: Integers
    spread: Floats | None = None


def is_real(volumes: Volumes) -> TypeGuard[Floats]:
    """Whether these are the readings of a real meter; those of an integer meter are int64."""
    return volumes.dtype == np.float64


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which figures of hours and days will do instead of readings.

    Periods are `width_us` microseconds long and begin at `origin_us` (None: one period, all of time); no figure may
    count readings of two periods. `by_resource`: every entry is of one resource. `spread`: standard deviations are
    asked for, so an entry without `spread` leaves its answer without one.
    """

    width_us: int | None = None
    origin_us: int = 0
    by_resource: bool = True
    spread: bool = False

    def divides(self, span: int) -> bool:
        """Whether no period begins within such a span of microseconds."""
        return self.width_us is None or (self.width_us % span == 0 and self.origin_us % span == 0)

    def joins(self, first: int, last: int) -> bool:
        """Whether two times lie in one period."""
        width, origin = self.width_us, self.origin_us
        return width is None or (first - origin) // width == (last - origin) // width
