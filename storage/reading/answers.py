"""Statistics as columns: what one question is answered with, before anybody makes objects of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import cast

import numpy as np

from storage.columns import Floats, Integers, Objects, Volumes
from storage.query import Cardinality, GroupKey, StatisticsRow
from storage.reading.grouping import Labels
from storage.reading.sums import quotients
from storage.sample import from_microseconds

Numbers = Volumes | Objects


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """Statistics, a row each of unit, group and period, ordered by period, then groups, then unit.

    All arrays have one length. Times are microseconds since 1970 UTC; `period_start` is None when no period was
    asked for. `minimum`, `maximum` and `total` are int64 or float64 where that holds every row, else Python's ints and
    floats. No `quotient` where it is what `total` and `count` say: that takes long, and whoever wants it reads `mean`.
    `stddev` is None when it was not asked for, NaN in rows where nobody knows it.
    """

    unit: Labels
    groups: Mapping[GroupKey, Labels]
    count: Integers
    first: Integers
    last: Integers
    minimum: Numbers
    maximum: Numbers
    total: Numbers
    quotient: Floats | None = None
    stddev: Floats | None = None
    period_start: Integers | None = None
    period_us: int = 0
    cardinality: Mapping[Cardinality, Integers] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.count)

    @property
    def mean(self) -> Floats:
        """The float nearest to the exact mean of each row."""
        return means(self.total, self.count) if self.quotient is None else self.quotient

    def rows(self) -> Iterator[StatisticsRow]:
        """An object for each row."""
        size = len(self)
        unknown = [None] * size
        spans = unknown if self.period_start is None else _spans(self.period_start, self.period_us)
        deviations = unknown if self.stddev is None else _known(self.stddev)
        numbers = (self.count, self.minimum, self.maximum, self.total, self.mean)
        columns = zip(*[column.tolist() for column in numbers], deviations, strict=True)
        times = zip(self.first.tolist(), self.last.tolist(), spans, strict=True)
        around = zip(self.unit.texts(), _mappings(self.groups, size), self._distinct(size), strict=True)
        for (unit, groups, distinct), one, (first, last, span) in zip(around, columns, times, strict=True):
            count, least, most, total, mean, deviation = one
            yield StatisticsRow(
                unit=unit or "",
                count=count,
                minimum=least,
                maximum=most,
                total=total,
                mean=mean,
                stddev=deviation,
                first=from_microseconds(first),
                last=from_microseconds(last),
                period_start=span[0] if span else None,
                period_end=span[1] if span else None,
                groups=groups,
                cardinality=distinct,
            )

    def _distinct(self, size: int) -> Iterator[Mapping[Cardinality, int]]:
        counts = [column.tolist() for column in self.cardinality.values()]
        rows = zip(*counts, strict=True) if counts else repeat((), size)
        return (dict(zip(self.cardinality, row, strict=True)) for row in rows)


def means(total: Numbers, counted: Integers) -> Floats:
    """The float nearest to each sum of integers divided by its count."""
    return quotients(cast("Integers | Objects", total), counted)  # no sum of floats


def _spans(starts: Integers, width: int) -> Iterator[tuple[datetime, datetime]]:
    """Beginning and end of the period of each row; rows of one period share them."""
    found, inverse = np.unique(starts, return_inverse=True)
    spans = [(from_microseconds(start), from_microseconds(start + width)) for start in found.tolist()]
    return (spans[number] for number in inverse.tolist())


def _known(deviations: Floats) -> Iterator[float | None]:
    return (None if math.isnan(deviation) else deviation for deviation in deviations.tolist())


def _mappings(groups: Mapping[GroupKey, Labels], size: int) -> Iterator[Mapping[GroupKey, str | None]]:
    """The groups of each row; rows of one group share them."""
    if not groups:
        return repeat({}, size)
    made: dict[tuple[str | None, ...], Mapping[GroupKey, str | None]] = {}
    rows = zip(*[label.texts() for label in groups.values()], strict=True)
    return (
        made.get(names) or made.setdefault(names, dict(zip(groups, names, strict=True))) for names in rows
    )


def nothing(groupby: tuple[GroupKey, ...]) -> StatisticsTable:
    """The answer when no sample matches."""
    integers: Integers = np.zeros(0, dtype=np.int64)
    labels = Labels((), integers)
    groups = dict.fromkeys(groupby, labels)
    return StatisticsTable(labels, groups, integers, integers, integers, integers, integers, integers)
