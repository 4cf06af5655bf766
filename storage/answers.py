"""Statistics as columns: what one question is answered with, before anybody makes objects of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Objects, Volumes
from storage.grouping import Labels
from storage.query import Cardinality, GroupKey, StatisticsRow
from storage.sample import from_microseconds

Numbers = Volumes | Objects


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """Statistics, a row each of unit, group and period, ordered by period, then groups, then unit.

    All arrays have one length. Times are microseconds since 1970 UTC; `period_start` is None when no period was
    asked for. `minimum`, `maximum` and `total` are int64 or float64 where that holds every row, else Python's ints and
    floats. `stddev` is None when it was not asked for, NaN in rows where nobody knows it.
    """

    unit: Labels
    groups: Mapping[GroupKey, Labels]
    count: Integers
    first: Integers
    last: Integers
    minimum: Numbers
    maximum: Numbers
    total: Numbers
    mean: Floats
    stddev: Floats | None = None
    period_start: Integers | None = None
    period_us: int = 0
    cardinality: Mapping[Cardinality, Integers] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.count)

    def rows(self) -> Iterator[StatisticsRow]:
        """An object for each row."""
        units = self.unit.names
        nothing = [None] * len(self)
        starts = nothing if self.period_start is None else self.period_start.tolist()
        deviations = nothing if self.stddev is None else self.stddev.tolist()
        groups = {key: label.index.tolist() for key, label in self.groups.items()}
        distinct = {key: counts.tolist() for key, counts in self.cardinality.items()}
        columns = (self.unit.index, self.count, self.minimum, self.maximum, self.total, self.mean)
        times = zip(self.first.tolist(), self.last.tolist(), starts, deviations, strict=True)
        numbers = zip(*[column.tolist() for column in columns], strict=True)
        for row, ((unit, count, least, most, total, mean), (first, last, start, deviation)) in enumerate(
            zip(numbers, times, strict=True)
        ):
            yield StatisticsRow(
                unit=units[unit] or "",
                count=count,
                minimum=least,
                maximum=most,
                total=total,
                mean=mean,
                stddev=None if deviation is None or math.isnan(deviation) else deviation,
                first=from_microseconds(first),
                last=from_microseconds(last),
                period_start=None if start is None else from_microseconds(start),
                period_end=None if start is None else from_microseconds(start + self.period_us),
                groups={key: self.groups[key].names[index[row]] for key, index in groups.items()},
                cardinality={key: counts[row] for key, counts in distinct.items()},
            )


def nothing(groupby: tuple[GroupKey, ...]) -> StatisticsTable:
    """The answer when no sample matches."""
    integers: Integers = np.zeros(0, dtype=np.int64)
    floats: NDArray[np.float64] = np.zeros(0)
    labels = Labels((), integers)
    groups = dict.fromkeys(groupby, labels)
    return StatisticsTable(labels, groups, integers, integers, integers, integers, integers, integers, floats)
