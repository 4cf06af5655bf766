"""Standard deviations of rows: exact for integer readings, rounded a few times otherwise; never by the order."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers
from storage.reading.grouping import Heap
from storage.reading.sums import SMALL, integer_deviations, joined, nearest, quotients, real_sums


def deviations(key: Integers, counts: Integers, means: Floats, parts: Sequence[Heap]) -> Floats:
    """The population's standard deviation of each row; NaN where a line's spread is unknown.

    Rows that hold nothing but integer readings are exact until the root is taken. For the others the squares of the
    distances to the mean are floats, added up exactly.
    """
    result = np.full(len(key), np.nan)
    rest = np.ones(len(key), dtype=np.bool_)
    integers = [part for part in parts if not part.lines.real]
    reals = [part for part in parts if part.lines.real]
    for part in integers:
        rows = np.searchsorted(key, part.key)
        plain = counts[rows] == part.sizes
        chosen = np.repeat(plain, part.sizes)
        if plain.any():
            values = part.sort(part.lines.least)[chosen].astype(np.int64, copy=False)
            sizes = part.sizes[plain]
            result[rows[plain]] = integer_deviations(values, np.cumsum(sizes) - sizes, sizes)
            rest[rows[plain]] = False
    if rest.any():
        _around_means(
            result, rest, counts, means, [_Distances(key, means, part) for part in integers + reals]
        )
    return result


class _Distances:
    """Lines of one part: row, readings, distance of their mean to the row's, and spread."""

    def __init__(self, key: Integers, means: Floats, part: Heap) -> None:
        lines = part.lines
        self.row = np.repeat(np.searchsorted(key, part.key), part.sizes)
        self.count = part.sort(lines.count)
        self.spread = np.zeros(len(self.row)) if lines.spread is None else part.sort(lines.spread)
        high = part.sort(lines.high)
        with np.errstate(over="ignore", invalid="ignore"):
            if high.dtype == np.float64:
                self.mean = high / self.count
            else:
                totals = joined(high.astype(np.int64, copy=False), part.sort(lines.low))
                self.mean = quotients(totals, self.count)
            away = self.mean - means[self.row]
            self.square: Floats = away * away * self.count + self.spread


def _around_means(
    result: Floats, rest: NDArray[np.bool_], counts: Integers, means: Floats, parts: Sequence[_Distances]
) -> None:
    """Fills in the rows of `rest`."""
    row = np.concatenate([part.row for part in parts])
    square = np.concatenate([part.square for part in parts])
    order = np.argsort(row, kind="stable")
    order = order[rest[row[order]]]
    row, square = row[order], square[order]
    starts = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    rows = row[starts]
    fine = np.logical_and.reduceat(square < SMALL, starts)
    usable = np.where(np.repeat(fine, np.diff(starts, append=len(row))), square, 0.0)
    found = np.sqrt(nearest(real_sums(usable, starts)) / counts[rows])
    ends = [*starts[1:].tolist(), len(row)]
    columns = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "count", "spread")
    ]
    for n in np.flatnonzero(~fine).tolist():
        mean, count, spread = (column[order[starts[n] : ends[n]]].tolist() for column in columns)
        found[n] = _scaled(mean, count, spread, float(means[rows[n]]))
    result[rows] = found


def _scaled(values: list[float], counts: list[int], spreads: list[float], mean: float) -> float:
    """The deviation of numbers whose squares are beyond a float, or NaN."""
    if not all(math.isfinite(number) for number in (*values, *spreads, mean)):
        return math.nan
    scale = max(*[abs(value) for value in values], *[math.sqrt(spread) for spread in spreads])
    squares = [
        count * (value / scale - mean / scale) ** 2 + spread / scale / scale
        for value, count, spread in zip(values, counts, spreads, strict=True)
    ]
    return scale * math.sqrt(math.fsum(squares) / sum(counts))
