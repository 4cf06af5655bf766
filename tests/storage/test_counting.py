"""Statistics out of columns and figures, against the same statistics one reading at a time."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import Columns, Figures, Wanted
from storage.query import EVERYTHING, Cardinality, GroupKey, SampleQuery, StatisticsQuery, StatisticsRow
from storage.reading import grouping, lines
from storage.reading.counting import count
from storage.reading.lines import Grain, gather
from storage.sample import from_microseconds
from tests.storage.per_reading import SPAN, Known, Reading, blocks_of, figures_of, group_of, rows_of

NAMES = Known()
GROUPS = st.lists(st.sampled_from(get_args(GroupKey)), unique=True, max_size=3)
COUNTED = st.lists(st.sampled_from(get_args(Cardinality)), unique=True, max_size=2)
PERIODS = st.sampled_from([None, 1, 60, 120, 3600])
INTEGERS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1), st.integers(10**15, 10**15 + 9))
REALS = st.one_of(
    st.floats(-100, 100),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 5e-324, 1e308, -1e308, 1.7976931348623157e308]),
)
TIMES = st.integers(0, 20 * SPAN)
BEGINNING = 10**9 * 60 * 1_000_000


@st.composite
def histories(draw: st.DrawFn, reals: st.SearchStrategy[float] = REALS) -> list[Reading]:
    mids = draw(st.sets(st.integers(1, 4), min_size=1))
    found = []
    for _ in range(draw(st.integers(0, 25))):
        rid, mid = draw(st.integers(1, 6)), draw(st.sampled_from(sorted(mids)))
        volume = draw(reals if mid % 2 == 0 else INTEGERS)
        found.append(
            Reading(group_of(rid), rid, mid, draw(st.integers(0, 3)), BEGINNING + draw(TIMES), volume)
        )
    return found


@st.composite
def questions(draw: st.DrawFn, *, by_version: bool = True) -> StatisticsQuery:
    allowed = {"resource_id", "project_id"} if not by_version else None
    start = draw(
        st.sampled_from([None, from_microseconds(BEGINNING), from_microseconds(BEGINNING - 30 * SPAN)])
    )
    groupby = [key for key in draw(GROUPS) if allowed is None or key in allowed]
    counted = [key for key in draw(COUNTED) if allowed is None or key in allowed]
    return StatisticsQuery(
        SampleQuery(EVERYTHING, meter="m", start=start),
        draw(PERIODS),
        tuple(groupby),
        tuple(counted),
        draw(st.booleans()),
    )


def grain_of(query: StatisticsQuery, readings: Sequence[Reading]) -> Grain:
    start = query.samples.start
    first = min((one.ts for one in readings), default=0)
    origin = first if start is None else round(start.timestamp()) * 1_000_000
    keys = {*query.groupby, *query.cardinality}
    return Grain(
        Wanted(
            query.period_s * 1_000_000 if query.period_s else None,
            origin,
            "resource_id" in keys,
            query.stddev,
        ),
        by_version=bool(keys - {"resource_id", "project_id"}),
        by_project="project_id" in keys,
    )


def answer(
    query: StatisticsQuery, readings: Sequence[Reading], blocks: Iterable[Columns | Figures]
) -> list[StatisticsRow]:
    grain = grain_of(query, readings)
    return list(count(query, gather(blocks, grain), grain, NAMES).rows())


def pieces(readings: Sequence[Reading], chance: Random) -> list[Columns]:
    """The readings in any order and cut anywhere."""
    shuffled = chance.sample(list(readings), len(readings))
    cuts = sorted(chance.randrange(len(shuffled) + 1) for _ in range(3))
    bounds = zip([0, *cuts], [*cuts, len(shuffled)], strict=True)
    return [
        block
        for start, end in bounds
        for block in blocks_of(shuffled[start:end], by_group=chance.random() < 0.5)
    ]


def assert_same(found: Sequence[StatisticsRow], wanted: Sequence[StatisticsRow]) -> None:
    """All but the deviation of floats to the last bit."""
    assert [replace(row, stddev=None) for row in found] == [replace(row, stddev=None) for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        if isinstance(other.total, int) or other.stddev is None:
            assert row.stddev == other.stddev
        else:
            assert row.stddev is not None
            assert math.isclose(row.stddev, other.stddev, rel_tol=1e-12, abs_tol=1e-160)
        assert [type(number) for number in (row.total, row.mean, row.count)] == [
            type(number) for number in (other.total, other.mean, other.count)
        ]


@settings(max_examples=400, deadline=None)
@given(histories(), questions(), st.randoms(use_true_random=False))
def test_columns_are_counted_as_readings_are_one_by_one(
    readings: list[Reading], query: StatisticsQuery, chance: Random
) -> None:
    assert_same(answer(query, readings, pieces(readings, chance)), rows_of(query, readings, NAMES))


@settings(max_examples=200, deadline=None)
@given(histories(), questions(), st.randoms(use_true_random=False))
def test_order_and_pieces_do_not_change_a_bit(
    readings: list[Reading], query: StatisticsQuery, chance: Random
) -> None:
    answers = {repr(answer(query, readings, pieces(readings, chance))) for _ in range(3)}

    assert len(answers) == 1


@settings(max_examples=300, deadline=None)
@given(
    histories(st.floats(-1e6, 1e6)),
    questions(by_version=False),
    st.randoms(use_true_random=False),
)
def test_figures_and_columns_give_the_same_integers_in_any_mixture(
    readings: list[Reading], query: StatisticsQuery, chance: Random
) -> None:
    readings = [replace(one, ts=one.ts // SPAN * SPAN + one.ts % 7) for one in readings]
    if query.period_s == 1 or query.samples.start is None:
        query = replace(query, period_s=None)
    by_resource = grain_of(query, readings).wanted.by_resource
    chosen = {one.ts // SPAN for one in readings if chance.random() < 0.5}
    counted = [one for one in readings if one.ts // SPAN in chosen]
    rest = [one for one in readings if one.ts // SPAN not in chosen]
    blocks: list[Columns | Figures] = [*pieces(rest, chance), *figures_of(counted, by_resource=by_resource)]

    found = answer(query, readings, blocks)
    chance.shuffle(blocks)
    again = answer(query, readings, blocks)

    assert repr(found) == repr(again)
    for row, wanted in zip(found, rows_of(query, readings, NAMES), strict=True):
        changed = replace(row, stddev=wanted.stddev)
        if isinstance(wanted.total, float):
            assert row.total == pytest.approx(wanted.total, rel=1e-12, abs=1e-7)
            changed = replace(changed, total=wanted.total, mean=wanted.mean)
        assert changed == wanted
        if wanted.stddev is not None:
            scale = max(abs(wanted.minimum), abs(wanted.maximum))
            assert row.stddev == pytest.approx(wanted.stddev, rel=1e-9, abs=1e-12 * scale)


def test_many_readings_are_put_together_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BATCH", 50)
    chance = Random(5)
    readings = [
        Reading(
            group_of(rid), rid, mid, 0, BEGINNING + n * SPAN, n * chance.choice([1, 2**55]) + (mid - 1) / 3
        )
        for rid in range(1, 7)
        for mid in (1, 2)
        for n in range(40)
    ]
    readings = [one if one.mid == 2 else replace(one, volume=int(one.volume)) for one in readings]
    query = StatisticsQuery(SampleQuery(EVERYTHING, meter="m"), 600, ("resource_id",))

    assert_same(answer(query, readings, blocks_of(readings)), rows_of(query, readings, NAMES))


def test_a_deviation_nobody_knows_any_more_is_left_out() -> None:
    readings = [Reading(1, rid, 1, 0, BEGINNING + n, n) for rid in (1, 2) for n in range(5)]
    query = StatisticsQuery(SampleQuery(EVERYTHING, meter="m"), groupby=("resource_id",), stddev=True)
    (figures,) = figures_of(readings[:5], by_resource=True)

    rows = answer(query, readings, [replace(figures, spread=None), *blocks_of(readings[5:])])

    assert [row.stddev for row in rows] == [None, math.sqrt(2)]


def test_sums_that_were_infinite_stay_infinite() -> None:
    (figures,) = figures_of([Reading(1, 1, 2, 0, BEGINNING, 1e308)], by_resource=True)
    infinite = replace(figures, high=np.array([math.inf]), count=np.array([3]))
    query = StatisticsQuery(SampleQuery(EVERYTHING, meter="m"), stddev=True)

    (row,) = answer(query, [], [infinite, *blocks_of([Reading(1, 1, 2, 0, BEGINNING, -5.0)])])

    assert (row.total, row.mean, row.stddev, row.count) == (math.inf, math.inf, None, 4)


@pytest.mark.parametrize("volumes", [[0.0, -0.0], [-0.0, 0.0], [-0.0]])
def test_a_zero_has_no_sign(volumes: list[float]) -> None:
    readings = [Reading(1, 1, 2, 0, BEGINNING + n, volume) for n, volume in enumerate(volumes)]

    (row,) = answer(StatisticsQuery(SampleQuery(EVERYTHING, meter="m")), readings, blocks_of(readings))

    assert repr((row.minimum, row.maximum, row.total, row.mean)) == "(0.0, 0.0, 0.0, 0.0)"


@settings(max_examples=50, deadline=None)
@given(histories(), questions(), st.randoms(use_true_random=False))
def test_more_places_than_an_integer_can_count_are_told_apart(
    readings: list[Reading], query: StatisticsQuery, chance: Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "LIMIT", 3)
        found = answer(query, readings, pieces(readings, chance))

    assert_same(found, rows_of(query, readings, NAMES))
