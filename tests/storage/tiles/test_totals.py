import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.tiles.totals import sums_of

DECIMALS = st.integers(-(10**6), 10**6).map(lambda number: number / 100)
NUMBERS = st.one_of(DECIMALS, st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.integers(0, 300))
def test_a_sum_is_the_float_nearest_to_the_exact_one(few: list[float], more: int) -> None:
    numbers = few + few[:1] * more
    try:
        expected: float | None = math.fsum(numbers)
    except OverflowError:
        expected = None

    other, found = sums_of(np.array([np.arange(len(numbers), dtype=np.float64), numbers]))

    assert found == expected
    assert other == len(numbers) * (len(numbers) - 1) / 2


@pytest.mark.parametrize("apart", range(20, 56))
def test_sums_are_exact_however_far_the_bits_of_their_numbers_are_apart(apart: int) -> None:
    chance = np.random.default_rng(apart)
    numbers = np.ldexp(chance.random((50, 300)) - 0.5, chance.integers(0, apart, (50, 300)))

    assert sums_of(numbers) == [math.fsum(row.tolist()) for row in numbers]
