"""Lines counted together into statistics: exact, and the same whatever order and pieces the readings came in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from storage.columns import Floats, Integers
from storage.names import Names
from storage.query import Cardinality, StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, means, nothing
from storage.reading.deviations import deviations
from storage.reading.grouping import Heap, heaps, labels, places
from storage.reading.lines import Grain, Lines, reduced
from storage.reading.sums import (
    SMALL,
    Addends,
    Words,
    exact,
    joined,
    nearest,
    real_sums,
    to_float,
    word_sums,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """One row per key, ascending; `place` is the number of a line of the row.

    No `quotient` where it is what `total` and `count` say.
    """

    key: Integers
    place: Integers
    count: Integers
    first: Integers
    last: Integers
    minimum: Numbers
    maximum: Numbers
    total: Numbers
    quotient: Floats | None = None

    @property
    def mean(self) -> Floats:
        """The float nearest to the exact mean of each row."""
        return means(self.total, self.count) if self.quotient is None else self.quotient

    def take(self, rows: Integers) -> "Tally":
        """These rows, in this order."""
        return Tally(
            self.key[rows],
            self.place[rows],
            self.count[rows],
            self.first[rows],
            self.last[rows],
            self.minimum[rows],
            self.maximum[rows],
            self.total[rows],
            None if self.quotient is None else self.quotient[rows],
        )


def count(query: StatisticsQuery, parts: Sequence[Lines], grain: Grain, names: Names) -> StatisticsTable:
    """The statistics of these lines, at most one part of integer meters and one of real ones."""
    if not parts:
        return nothing(query.groupby)
    place = places(parts, query.groupby, names)
    sorted_parts = heaps(parts, place.key)
    tally = _tally(sorted_parts)
    width, period = grain.wanted.width_us, place.period[tally.place]
    return StatisticsTable(
        unit=place.unit.take(tally.place),
        groups={key: label.take(tally.place) for key, label in zip(query.groupby, place.groups, strict=True)},
        count=tally.count,
        first=tally.first,
        last=tally.last,
        minimum=tally.minimum,
        maximum=tally.maximum,
        total=tally.total,
        quotient=tally.quotient,
        stddev=deviations(tally.key, tally.count, tally.mean, sorted_parts) if query.stddev else None,
        period_start=None if width is None else grain.wanted.origin_us + period * width,
        period_us=width or 0,
        cardinality={key: _distinct(key, tally.key, sorted_parts, names) for key in query.cardinality},
    )


def _tally(parts: Sequence[Heap]) -> Tally:
    if len(parts) == 1:
        (part,) = parts
        return _of_real(part, [], part.lines.count[:0]) if part.lines.real else _of_integers(part)
    integer, real = parts
    return _both(_of_integers(integer), integer, real)


def _of_integers(heap: Heap) -> Tally:
    counted = heap.reduce(np.add, heap.lines.count)
    return _row(heap, counted, joined(*_words(heap)), None)


def _words(heap: Heap) -> Words:
    high = heap.sort(heap.lines.high).astype(np.int64, copy=False)
    return word_sums(high, heap.sort(heap.lines.low), heap.starts)


def _of_real(heap: Heap, more: Addends, more_count: Integers) -> Tally:
    """`more` are numbers that belong to each row's sum, `more_count` how many readings they stand for."""
    counted = heap.reduce(np.add, heap.lines.count)
    counted = counted + more_count if len(more_count) else counted
    sums = heap.sort(heap.lines.high).astype(np.float64, copy=False)
    fine = reduced(np.logical_and, np.abs(sums) < SMALL, heap.starts)
    usable = sums if fine.all() else np.where(np.repeat(fine, heap.sizes), sums, 0.0)
    columns = [usable, *[heap.sort(column) for column in heap.lines.more]]
    addends = [addend for column in columns for addend in real_sums(column, heap.starts)] + more
    total = nearest(addends) + 0.0
    mean = total / counted
    for row in np.flatnonzero(~fine).tolist():
        start = int(heap.starts[row])
        numbers = sums[start : start + int(heap.sizes[row])].tolist()
        numbers += [float(addend[row]) for addend in addends]
        total[row], mean[row] = _huge(numbers, int(counted[row]))
    return _row(heap, counted, total, mean)


def _huge(numbers: Sequence[float], counted: int) -> tuple[float, float]:
    """Sum and mean of numbers near the end of the scale; infinite or NaN where a sum that came in was."""
    if not all(math.isfinite(number) for number in numbers):
        total = sum(number for number in numbers if not math.isfinite(number))
        return total, total
    total = to_float(exact(numbers))
    return total, total / counted if math.isfinite(total) else float(exact(numbers) / counted)


def _row(heap: Heap, counted: Integers, total: Numbers, quotient: Floats | None) -> Tally:
    lines = heap.lines
    minimum, maximum = heap.reduce(np.minimum, lines.least), heap.reduce(np.maximum, lines.most)
    return Tally(
        key=heap.key,
        place=heap.order[heap.starts] + heap.offset,
        count=counted,
        first=heap.reduce(np.minimum, lines.first),
        last=heap.reduce(np.maximum, lines.last),
        minimum=minimum + 0 if lines.real else minimum,  # a zero has no sign, whichever came first
        maximum=maximum + 0 if lines.real else maximum,
        total=total,
        quotient=quotient,
    )


def _both(integers: Tally, whole: Heap, real: Heap) -> Tally:
    """Rows of integer meters, rows of real ones, and rows of both, whose sum is a float."""
    _, mine, theirs = np.intersect1d(integers.key, real.key, assume_unique=True, return_indices=True)
    high, low = _words(whole)
    more = [np.zeros(len(real.key)) for _ in range(3)]
    # Each holds at most 53 bits, so they are the exact sum.
    more[0][theirs] = (high[mine] >> 26).astype(np.float64) * 2.0**58
    more[1][theirs] = (high[mine] & (2**26 - 1)).astype(np.float64) * 2.0**32
    more[2][theirs] = low[mine].astype(np.float64)
    more_count = np.zeros(len(real.key), dtype=np.int64)
    more_count[theirs] = integers.count[mine]
    reals = _of_real(real, more, more_count)
    first, last = reals.first.copy(), reals.last.copy()
    first[theirs] = np.minimum(first[theirs], integers.first[mine])
    last[theirs] = np.maximum(last[theirs], integers.last[mine])
    minimum, maximum = reals.minimum.astype(object), reals.maximum.astype(object)
    for row, other in zip(theirs.tolist(), mine.tolist(), strict=True):
        minimum[row] = min(int(integers.minimum[other]), minimum[row])
        maximum[row] = max(int(integers.maximum[other]), maximum[row])
    reals = replace(reals, first=first, last=last, minimum=minimum, maximum=maximum)
    alone = np.delete(np.arange(len(integers.key)), mine)
    return _stacked(integers.take(alone), reals)


def _stacked(one: Tally, other: Tally) -> Tally:
    """The rows of both, which have no key in common."""
    order = np.argsort(np.concatenate([one.key, other.key]))

    def numbers(a: Numbers, b: Numbers) -> Numbers:
        return np.concatenate([a.astype(object), b.astype(object)])[order]

    def integers(a: Integers, b: Integers) -> Integers:
        return np.concatenate([a, b])[order]

    return Tally(
        key=integers(one.key, other.key),
        place=integers(one.place, other.place),
        count=integers(one.count, other.count),
        first=integers(one.first, other.first),
        last=integers(one.last, other.last),
        minimum=numbers(one.minimum, other.minimum),
        maximum=numbers(one.maximum, other.maximum),
        total=numbers(one.total, other.total),
        quotient=np.concatenate([one.mean, other.mean])[order],
    )


def _distinct(key: Cardinality, rows: Integers, parts: Sequence[Heap], names: Names) -> Integers:
    """How many names there are in each row."""
    label = labels([part.lines for part in parts], key, names)
    row = np.concatenate([np.repeat(np.searchsorted(rows, part.key), part.sizes) for part in parts])
    name = label.index[np.concatenate([part.order + part.offset for part in parts])]
    pairs = np.unique(row * len(label.names) + name)
    return np.bincount(pairs // len(label.names), minlength=len(rows))
