"""Hourly figures say what their readings come to."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.columns import Integers, Volumes
from storage.tiles import rolls
from storage.tiles.figures import Cells, Day
from storage.watermarks import HOUR

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
HOURS = st.lists(st.lists(st.integers(0, 5000) | INT64, min_size=1, max_size=5), min_size=1, max_size=4)


@given(HOURS)
def test_sums_and_spread_of_integers_come_back(hours: list[list[int]]) -> None:
    found = figures(hours, np.array([one for hour in hours for one in hour], np.int64))

    spread = rolls.spread_of(found)
    for place, hour in enumerate(hours):
        over = sum(hour) - len(hour) * min(hour)
        if rolls.EXCESS in found:
            assert rolls.excess(found)[place] == over
        else:
            assert (int(found[rolls.HIGH][place]) << 32) + int(found[rolls.LOW][place]) == over
        if spread is not None:
            assert spread[place] == pytest.approx(float(exact_spread(hour)), rel=2e-5)


@given(st.lists(st.lists(st.integers(-9999, 9999), min_size=1, max_size=12), min_size=1, max_size=4))
def test_the_spread_of_usual_integers_is_exact(hours: list[list[int]]) -> None:
    found = figures(hours, np.array([one for hour in hours for one in hour], np.int64))

    assert [
        Fraction(int(squares), len(hour)) for squares, hour in zip(found[rolls.SQUARES], hours, strict=True)
    ] == [exact_spread(hour) for hour in hours]


def test_the_spread_of_reals_has_five_digits() -> None:
    hours = [[0.5, 99.25, 3.125], [7.0, 7.0]]

    spread = rolls.spread_of(figures(hours, np.array([one for hour in hours for one in hour])))

    assert spread is not None
    assert spread[:2] == pytest.approx([float(exact_spread(hour)) for hour in hours], rel=2e-5)


def figures(hours: Sequence[Sequence[float]], volume: Volumes) -> dict[int, Volumes]:
    """Those of one slot, whose first hours have these readings, as they are read back."""
    ts: Integers = np.array(
        [n * HOUR + k for n, hour in enumerate(hours) for k in range(len(hour))], np.int64
    )
    cells = Cells(np.zeros(len(ts), np.int64), ts)
    day = Day(cells, volume)
    grids = cells.times(ts) | day.values() | day.spread()
    read = rolls.decode_roll(rolls.encode_roll(grids), frozenset(grids))
    counted = read[rolls.COUNT] > 0
    return {number: column[counted] for number, column in read.items()}


def exact_spread(hour: Sequence[float]) -> Fraction:
    values = [Fraction(one) for one in hour]
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((value - mean) ** 2 for value in values), Fraction(0))
