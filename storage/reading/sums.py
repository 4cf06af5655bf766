"""Sums that are exact, whatever order and pieces the numbers come in.

A *pile* is a run of an array: `starts` holds where each pile begins, ascending from 0; none is empty.

Sums of integers travel as two int64 words, `high * 2**32 + low`, 0 <= low < 2**32. Sums of floats travel as a few
float arrays (`Addends`) whose sum, entry by entry and taken as real numbers, is the exact sum.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Objects

WORD = 32
LOW = (1 << WORD) - 1
SMALL = 2.0**900  # sums of up to 2**60 floats below this are far from the end of the scale
DIGITS = 53
LEAST_EXPONENT = -1022

Words = tuple[Integers, Integers]
Addends = list[Floats]


def integer_sums(values: Integers, starts: Integers) -> Words:
    """The sum of each pile of int64."""
    longest = longest_pile(len(values), starts)
    if longest <= 1:
        return values >> WORD, values & LOW
    bound = max(int(values.max()), -int(values.min()))
    if bound * longest < 2**63:
        return split(np.add.reduceat(values, starts))
    return word_sums(values >> WORD, values & LOW, starts)


def split(values: Integers) -> Words:
    """Each int64 as two words."""
    return values >> WORD, values & LOW


def word_sums(high: Integers, low: Integers, starts: Integers) -> Words:
    """The sum of each pile of words; right for piles of up to 2**31 entries."""
    if len(starts) == len(high):
        return high, low
    highs, lows = np.add.reduceat(high, starts), np.add.reduceat(low, starts)
    return highs + (lows >> WORD), lows & LOW


def joined(high: Integers, low: Integers) -> Integers | Objects:
    """The numbers the words stand for: int64 where all fit, else an array of Python ints."""
    if not len(high) or (high.min() >= -(2**31) and high.max() < 2**31):
        return (high << WORD) | low
    wide: Objects = high.astype(object) * 2**WORD + low.astype(object)
    return wide


def quotients(totals: Integers | Objects, counts: Integers) -> Floats:
    """The float nearest to each total divided by its count (which is positive)."""
    if totals.dtype == object:
        return np.array([a / b for a, b in zip(totals.tolist(), counts.tolist(), strict=True)])
    totals = totals.astype(np.int64, copy=False)
    short = _within(totals, 2**DIGITS)
    if short.all():
        return totals / counts
    # Numpy divides by one number four times as fast as by an array.
    by = counts if counts.min() < counts.max() else counts[0]
    whole = totals // by
    scale = np.where(_within(whole, 2**DIGITS + 1), 512, 2)
    rest = (totals - whole * by) * scale
    more = rest // by
    rest = rest - more * by
    scaled = whole * scale + more
    # At least 55 bits: the last one only tells rounding that more follows.
    result: Floats = (scaled | (rest != 0)).astype(np.float64) / scale
    result[short] = totals[short].astype(np.float64) / counts[short]
    doubtful = ~short & (_within(whole, 2**46) | ~_within(whole, 2**62))
    for row in np.flatnonzero(doubtful).tolist():
        result[row] = int(totals[row]) / int(counts[row])
    return result


def real_sums(values: Floats, starts: Integers) -> Addends:
    """The exact sum of each pile of floats, all of them below SMALL.

    Each round takes from every number the part above a common bit: those parts add up without rounding.
    """
    longest = longest_pile(len(values), starts)
    if longest <= 1:
        return [values]
    addends: Addends = []
    while True:
        largest = max(float(values.max()), -float(values.min()))
        top = math.frexp(largest)[1] + longest.bit_length()
        if top <= LEAST_EXPONENT:
            return [*addends, np.add.reduceat(values, starts)]
        # Rounds to the last bit of 2**top (T. J. Dekker 1971; J. Demmel, H. D. Nguyen 2013).
        lever = math.ldexp(1.5, top)
        parts = (values + lever) - lever
        addends.append(np.add.reduceat(parts, starts))
        values = values - parts
        if not values.any():
            return addends


def nearest(addends: Sequence[Floats]) -> Floats:
    """The float nearest to each exact sum; every addend is below SMALL."""
    total, rest = addends[0], np.zeros_like(addends[0])
    doubtful = np.zeros(len(total), dtype=np.bool_)
    for addend in addends[1:]:
        total, lost = _add(total, addend)
        rest, lost = _add(rest, lost)
        doubtful |= lost != 0
    result = total + rest
    for row in np.flatnonzero(doubtful).tolist():
        result[row] = math.fsum(float(addend[row]) for addend in addends)
    return result


def exact(numbers: Sequence[int | float]) -> Fraction:
    """The sum as a fraction; the slow way, for every number that is finite."""
    return sum((Fraction(number) for number in numbers), Fraction())


def to_float(number: Fraction) -> float:
    """The float nearest to it, infinite beyond the largest."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def integer_deviations(values: Integers, starts: Integers, counts: Integers) -> Floats:
    """The population's standard deviation of each pile of int64: exact until the root is taken."""
    least = np.repeat(np.minimum.reduceat(values, starts), counts)
    away = values.view(np.uint64) - least.view(np.uint64)
    limbs = _limbs(away)
    sums, squares = _zeros(len(starts)), _zeros(len(starts))
    for i, limb in enumerate(limbs):
        sums = sums + _wide(limb, starts) * 2 ** (22 * i)
        for j, other in enumerate(limbs[: i + 1]):
            twice = 1 if i == j else 2
            squares = squares + _wide(limb * other, starts) * (twice * 2 ** (22 * (i + j)))
    count = counts.astype(object)
    variances: Objects = (count * squares - sums * sums) / (count * count)
    result: Floats = np.sqrt(variances.astype(np.float64))
    return result


def longest_pile(length: int, starts: Integers) -> int:
    """Entries of the longest pile of an array of this length."""
    if len(starts) == length:
        return min(length, 1)
    return max(int(np.diff(starts).max(initial=0)), length - int(starts[-1]))


def _add(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The rounded sum and what rounding lost, exactly (D. E. Knuth, TAOCP 4.2.2)."""
    total = a + b
    taken = total - a
    return total, (a - (total - taken)) + (b - taken)


def _limbs(numbers: NDArray[np.uint64]) -> list[Integers]:
    """22 bits each, least first, as many as the largest number needs: products of two have 44 bits."""
    bits = max(int(numbers.max()).bit_length(), 1)
    mask = np.uint64(2**22 - 1)
    return [((numbers >> np.uint64(shift)) & mask).astype(np.int64) for shift in range(0, bits, 22)]


def _wide(values: Integers, starts: Integers) -> Objects:
    return joined(*integer_sums(values, starts)).astype(object)


def _zeros(length: int) -> Objects:
    return np.zeros(length, dtype=object)


def _within(numbers: Integers, bound: int) -> NDArray[np.bool_]:
    return (numbers > -bound) & (numbers < bound)
