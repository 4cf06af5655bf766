"""Exact sums, against Python's own integers and fractions."""

import math
import random
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.columns import Integers
from storage.reading.sums import (
    SMALL,
    exact,
    integer_deviations,
    integer_sums,
    joined,
    nearest,
    quotients,
    real_sums,
    to_float,
    word_sums,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
SMALL_FLOAT = st.floats(-SMALL, SMALL, exclude_min=True, exclude_max=True)
ANY_SCALE = st.one_of(SMALL_FLOAT, st.floats(-1e3, 1e3), st.sampled_from([5e-324, -5e-324, 2.0**-1022, 0.1]))


def piles_of(piles: list[list[int]] | list[list[float]]) -> Integers:
    return np.cumsum([0, *[len(pile) for pile in piles[:-1]]], dtype=np.int64)


@given(st.lists(st.lists(INT64, min_size=1, max_size=6), min_size=1, max_size=6))
def test_sums_of_integers_are_those_of_python(piles: list[list[int]]) -> None:
    high, low = integer_sums(np.array([*chain(*piles)], dtype=np.int64), piles_of(piles))
    assert joined(high, low).tolist() == [sum(pile) for pile in piles]

    whole = word_sums(high, low, np.zeros(1, dtype=np.int64))
    assert joined(*whole).tolist() == [sum(map(sum, piles))]
    assert all(0 <= word < 2**32 for word in [*low.tolist(), *whole[1].tolist()])


@given(st.lists(st.lists(ANY_SCALE, min_size=1, max_size=8), min_size=1, max_size=6))
def test_sums_of_floats_are_rounded_once(piles: list[list[float]]) -> None:
    addends = real_sums(np.array([*chain(*piles)], dtype=np.float64), piles_of(piles))

    sums = [sum((Fraction(float(addend[n])) for addend in addends), Fraction()) for n in range(len(piles))]
    assert sums == [exact(pile) for pile in piles]
    assert nearest(addends).tolist() == [math.fsum(pile) for pile in piles]


def test_long_piles_of_floats_take_few_rounds() -> None:
    chance = random.Random(3)
    piles = [[chance.uniform(0, 100) for _ in range(length)] for length in (1, 2, 50_000)]

    addends = real_sums(np.array([*chain(*piles)]), piles_of(piles))

    assert len(addends) <= 3
    assert nearest(addends).tolist() == [math.fsum(pile) for pile in piles]


@given(st.lists(st.tuples(INT64, st.integers(1, 2**40)), min_size=1, max_size=8))
def test_quotients_are_rounded_once(pairs: list[tuple[int, int]]) -> None:
    totals, counts = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))

    assert quotients(totals, counts).tolist() == [a / b for a, b in pairs]
    assert quotients(totals.astype(object) * 3, counts).tolist() == [3 * a / b for a, b in pairs]


@pytest.mark.parametrize("bits", [45, 46, 52, 53, 54, 55, 61, 62])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_quotients_near_the_ends_of_the_ways_to_round_are_rounded_once(bits: int, count: int) -> None:
    near = [2**bits + n for n in range(-9, 10) if 2**bits + n < 2**63]
    totals = [sign * number for number in [*near, *[n * count for n in near]] for sign in (1, -1)]
    totals = [total for total in totals if -(2**63) <= total < 2**63]

    found = quotients(np.array(totals, dtype=np.int64), np.full(len(totals), count, dtype=np.int64))

    assert found.tolist() == [total / count for total in totals]


@given(
    st.lists(st.lists(st.one_of(INT64, st.integers(-9, 9)), min_size=1, max_size=6), min_size=1, max_size=5)
)
def test_deviations_of_integers_are_exact_until_the_root(piles: list[list[int]]) -> None:
    lengths = np.array([len(pile) for pile in piles], dtype=np.int64)

    found = integer_deviations(np.array([*chain(*piles)], dtype=np.int64), piles_of(piles), lengths)

    for pile, deviation in zip(piles, found.tolist(), strict=True):
        mean = Fraction(sum(pile), len(pile))
        assert deviation == math.sqrt(sum((v - mean) ** 2 for v in pile) / len(pile))


def test_sums_beyond_the_largest_float_are_infinite() -> None:
    assert to_float(exact([1e308, 1e308])) == math.inf
    assert to_float(exact([-1e308, -1e308])) == -math.inf
