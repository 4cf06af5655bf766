"""Percentiles of lines that are one reading each."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction

import numpy as np

from storage.names import Names
from storage.query import PercentileRow, StatisticsQuery
from storage.reading.grouping import chained, places
from storage.reading.lines import Grain, Lines
from storage.sample import from_microseconds


def percentiles(
    query: StatisticsQuery, parts: Sequence[Lines], grain: Grain, names: Names, percent: float
) -> Iterator[PercentileRow]:
    """The rows of `storage.series.Series.percentile`."""
    if not parts:
        return
    place = places(parts, query.groupby, names)
    volume = chained(parts, "least") + 0  # float64 where integers meet floats; a zero has no sign
    order = np.lexsort((volume, place.key))
    ordered, volume = place.key[order], volume[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(starts, append=len(order))
    share = Fraction(repr(float(percent))) / 100
    found = {count: share * (count - 1) for count in np.unique(counts).tolist()}
    for start, count, line in zip(starts.tolist(), counts.tolist(), order[starts].tolist(), strict=True):
        low, rest = divmod(found[count].numerator, found[count].denominator)
        value = volume[start + low].item()
        if rest:
            value = _between(value, volume[start + low + 1].item(), rest, found[count].denominator)
        groups = {key: label.name(line) for key, label in zip(query.groupby, place.groups, strict=True)}
        begin, end = _span(grain, int(place.period[line]))
        yield PercentileRow(place.unit.name(line) or "", count, value, begin, end, groups)


def _between(low: int | float, high: int | float, rest: int, whole: int) -> int | float:
    """The point `rest` of `whole` steps from low to high."""
    if low == high:
        return low
    if isinstance(low, int) and isinstance(high, int):
        return (low * whole + (high - low) * rest) / whole
    return float(Fraction(low) + (Fraction(high) - Fraction(low)) * rest / whole)


def _span(grain: Grain, period: int) -> tuple[datetime, datetime] | tuple[None, None]:
    """Beginning and end of a period, where there are any."""
    width = grain.wanted.width_us
    if width is None:
        return None, None
    begin = grain.wanted.origin_us + period * width
    return from_microseconds(begin), from_microseconds(begin + width)
