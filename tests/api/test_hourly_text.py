"""A few hours are written as their columns are, byte for byte."""

import random
from datetime import datetime

import pytest

from api.v2 import statistics_text
from api.v2.hourly_text import hourly
from storage.query import GroupKey
from storage.reading.hours import FEW, Hours, hours_of
from storage.sample import from_microseconds
from storage.watermarks import HOUR

BEGIN = 1_793_000_000_000_000 // HOUR * HOUR
NOWHERE = (None, None)


@pytest.mark.parametrize("seed", range(100))
def test_hours_are_written_as_their_columns_are(seed: int) -> None:
    chance = random.Random(seed)
    hours = _hours(chance, chance.choice((1, 12, FEW)))
    bounds = chance.choice((NOWHERE, (from_microseconds(BEGIN), from_microseconds(hours.rows[-1][3] + 1))))

    assert hourly(hours, bounds) == statistics_text.statistics(hours.table(), (), bounds)


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**62])
def test_integers_beyond_floats_are_left_to_columns(number: int) -> None:
    rows = hours_of([BEGIN, BEGIN + HOUR], [number, 1], real=False)
    assert rows is not None

    assert hourly(Hours("ns", {}, rows), NOWHERE) is None


def test_what_is_cut_by_its_bounds_and_many_hours_and_none_are_left_to_columns() -> None:
    hours = _hours(random.Random(0), 3)
    first, last = (from_microseconds(moment) for moment in (hours.rows[0][2], hours.rows[-1][3]))
    a_moment = from_microseconds(1) - from_microseconds(0)
    cut: list[tuple[datetime | None, datetime | None]] = [(first + a_moment, None), (None, last - a_moment)]

    assert [hourly(hours, bounds) for bounds in cut] == [None, None]
    assert hourly(_hours(random.Random(0), FEW + 1), NOWHERE) is None
    assert hourly(Hours(None, {}, []), NOWHERE) is None


def test_readings_are_not_counted_where_their_times_do_not_ascend_or_floats_are_huge() -> None:
    assert hours_of([BEGIN, BEGIN], [1, 2], real=False) is None
    assert hours_of([BEGIN], [1e300], real=True) is None
    assert hours_of([BEGIN, BEGIN + 1], [-0.0, -0.0], real=True) == [
        (BEGIN, 2, BEGIN, BEGIN + 1, 0.0, 0.0, 0.0)
    ]


def _hours(chance: random.Random, size: int) -> Hours:
    is_real = chance.random() < 0.5
    ts = sorted(
        BEGIN + hour * HOUR + chance.choice((0, 1, 17_000_000, chance.randrange(HOUR)))
        for hour in range(size)
        for _ in range(chance.choice((1, 1, 12)))
    )
    ts = sorted(set(ts))
    values: list[float] = [
        chance.choice((0.1, 1e20, 1e-7, 12.0, -0.0, -3.5)) if is_real else chance.randrange(-(2**40), 2**40)
        for _ in ts
    ]
    rows = hours_of(ts, values, real=is_real)
    assert rows is not None
    names: dict[GroupKey, str | None] = {"resource_id": 'a"%ü', "project_id": None}
    groups = {key: name for key, name in names.items() if chance.random() < 0.5}
    return Hours(chance.choice((None, "ns", "%")), groups, rows)
