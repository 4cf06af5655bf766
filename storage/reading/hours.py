"""One resource's figures of one meter by the hour, hour after hour: few are told sooner so than by columns."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import lt
from typing import Final, NamedTuple

import numpy as np

from storage.columns import Floats, Integers
from storage.query import GroupKey
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.grouping import Labels
from storage.reading.sums import SMALL
from storage.watermarks import HOUR

FEW: Final = 64  # so many divisions are quicker one by one

# Beginning of the hour, how many readings, times of the first and last, the least, the most, and the sum, which is
# exact, that of real meters the nearest float. Microseconds since 1970 UTC.
Hour = tuple[int, int, int, int, float, float, float]


class HourColumns(NamedTuple):
    """The same as columns, all of one length."""

    start: Integers
    counts: Integers
    first: Integers
    last: Integers
    least: Numbers
    most: Numbers
    total: Numbers

    def table(self, unit: str | None, groups: Mapping[GroupKey, str | None]) -> StatisticsTable:
        """As statistics; there is one hour at least."""
        alike = np.zeros(len(self.start), np.int64)
        return StatisticsTable(
            unit=Labels((unit,), alike),
            groups={key: Labels((name,), alike) for key, name in groups.items()},
            count=self.counts,
            first=self.first,
            last=self.last,
            minimum=self.least,
            maximum=self.most,
            total=self.total,
            quotient=_quotient(self.total, self.counts),
            period_start=self.start,
            period_us=HOUR,
        )


class Hours(NamedTuple):
    """Hours that have a reading, oldest first; `groups` by the keys that were asked for."""

    unit: str | None
    groups: Mapping[GroupKey, str | None]
    rows: Sequence[Hour]

    def table(self) -> StatisticsTable:
        """The same as columns."""
        return columns_of(self.rows).table(self.unit, self.groups) if self.rows else nothing((*self.groups,))


def hours_of(ts: Sequence[int], values: Sequence[float], *, real: bool) -> list[Hour] | None:
    """What readings come to; None where their times do not ascend, or floats are near the end of their scale."""
    if not ascend(ts) or (real and values and max(map(abs, values)) >= SMALL):
        return None
    rows: list[Hour] = []
    at, size = 0, len(ts)
    while at < size:
        first = ts[at]
        start = first - first % HOUR
        after = bisect_left(ts, start + HOUR, at)
        some = values[at:after]
        if real:  # a zero has no sign
            least, most, total = min(some) + 0.0, max(some) + 0.0, math.fsum(some) + 0.0
        else:
            least, most, total = min(some), max(some), sum(some)
        rows.append((start, after - at, first, ts[after - 1], least, most, total))
        at = after
    return rows


def ascend(ts: Sequence[int]) -> bool:
    """Whether each time is later than the one before it."""
    return all(map(lt, ts, ts[1:]))


def columns_of(rows: Sequence[Hour]) -> HourColumns:
    """Columns of rows, of which there is one at least."""
    *integers, least, most, total = zip(*rows, strict=True)
    start, counts, first, last = (np.array(column, np.int64) for column in integers)
    return HourColumns(start, counts, first, last, _numbers(least), _numbers(most), _numbers(total))


def _numbers(column: Sequence[float]) -> Numbers:
    """Floats, or integers: Python's where int64 does not hold them."""
    if isinstance(column[0], float):
        return np.array(column, np.float64)
    with suppress(OverflowError):
        return np.array(column, np.int64)
    return np.array(column, object)


def _quotient(total: Numbers, count: Integers) -> Floats | None:
    """Sums divided by counts; None where whoever reads them divides."""
    if total.dtype == np.float64:
        means: Floats = total / count
        return means
    if len(total) > FEW:
        return None
    return np.array([a / b for a, b in zip(total.tolist(), count.tolist(), strict=True)])
