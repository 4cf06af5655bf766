"""The latest readings, percentiles and rates."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import Wanted
from storage.database import Database
from storage.query import EVERYTHING, MetadataMatch, RateRow, SampleQuery, Scope, StatisticsQuery
from storage.reading.lines import Grain, gather
from storage.reading.percentiles import percentiles
from storage.reading.rates import rates
from storage.sample import Sample, make_id
from storage.samples import Samples
from storage.series import Series
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series
from tests.storage.per_reading import Known, Reading, blocks_of, group_of

CPU_OF_ALL = SampleQuery(EVERYTHING, meter="cpu")
NAMES = Known()
SECOND = 1_000_000


def store(database: Database, *samples: Sample) -> None:
    Samples(database).store(samples, received_at=NOW + timedelta(seconds=1))


def test_the_latest_sample_of_each_resource_and_meter_comes_newest_first(database: Database) -> None:
    other = series(2, resource_id="instance-2")
    util = replace(CPU_UTIL, timestamp=NOW + 5 * MINUTE)
    store(database, *series(3), *other, CPU_UTIL, util)

    found = Series(database).latest(SampleQuery(EVERYTHING), 10)

    assert [(one.sample.resource_id, one.sample.meter, one.sample.timestamp - NOW) for one in found] == [
        ("instance-1", "cpu_util", 5 * MINUTE),
        ("instance-1", "cpu", 2 * MINUTE),
        ("instance-2", "cpu", MINUTE),
    ]
    assert found[0] == Samples(database).find(SampleQuery(EVERYTHING), 1)[0]
    assert Series(database).latest(SampleQuery(EVERYTHING), 2) == found[:2]


def test_the_latest_sample_is_the_latest_of_those_that_match(database: Database) -> None:
    small, large = ({"instance_type": flavour} for flavour in ("m1.small", "m1.large"))
    store(database, sample(metadata=small), sample(metadata=large, timestamp=NOW + MINUTE))
    store(database, sample(project_id="project-b", timestamp=NOW + 2 * MINUTE))
    query = SampleQuery(
        Scope("project-a"), metadata=(MetadataMatch("instance_type", "m1.small", "m1.small"),)
    )

    (found,) = Series(database).latest(query, 10)

    assert (found.sample.timestamp, found.sample.metadata) == (NOW, small)


def test_of_samples_of_one_instant_the_one_found_first_is_the_latest(database: Database) -> None:
    deltas = [sample(meter="d", type="delta", unit="B", id=make_id(str(n)), volume=n) for n in range(5)]
    store(database, *deltas)

    assert Series(database).latest(SampleQuery(EVERYTHING), 9) == Samples(database).find(
        SampleQuery(EVERYTHING), 1
    )


def test_nothing_that_matches_gives_nothing(database: Database) -> None:
    query = StatisticsQuery(CPU_OF_ALL, 60)

    assert Series(database).latest(CPU_OF_ALL, 9) == []
    assert Series(database).percentile(query, 50) == []
    assert Series(database).rate(query) == []


def test_percentiles_are_given_by_group_and_period(database: Database) -> None:
    store(database, *series(5), *series(2, resource_id="instance-2", user_id="user-2"))
    in_periods = StatisticsQuery(CPU_OF_ALL, 120, ("resource_id",))
    by_user = StatisticsQuery(CPU_OF_ALL, groupby=("user_id",))

    periods = Series(database).percentile(in_periods, 50)
    users = Series(database).percentile(by_user, 100)

    assert [(row.groups["resource_id"], row.period_start, row.value, row.count) for row in periods] == [
        ("instance-1", NOW, 1.5e9, 2),
        ("instance-2", NOW, 1.5e9, 2),
        ("instance-1", NOW + 2 * MINUTE, 3.5e9, 2),
        ("instance-1", NOW + 4 * MINUTE, 5_000_000_000, 1),
    ]
    assert periods[0].period_end == NOW + 2 * MINUTE
    assert [(row.groups["user_id"], row.value) for row in users] == [
        ("user-1", 5 * 10**9),
        ("user-2", 2 * 10**9),
    ]


def test_percentiles_see_only_what_a_question_names(database: Database) -> None:
    store(database, *series(5), sample(user_id="user-2", volume=7, resource_id="instance-2"))

    (row,) = Series(database).percentile(StatisticsQuery(replace(CPU_OF_ALL, user_id="user-2")), 99.9)

    assert (row.count, row.value) == (1, 7)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_a_percentage_beyond_the_scale_is_refused(database: Database, percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        Series(database).percentile(StatisticsQuery(CPU_OF_ALL), percent)


def one_percentile(readings: Sequence[Reading], percent: float) -> int | float:
    grain = Grain(Wanted(spread=True))
    parts = gather(blocks_of(readings), grain)
    (row,) = percentiles(StatisticsQuery(SampleQuery(EVERYTHING, meter="m")), parts, grain, NAMES, percent)
    return row.value


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30), st.floats(0, 100))
def test_percentiles_are_those_of_numpy(volumes: list[float], percent: float) -> None:
    readings = [Reading(1, 1, 2, 0, n, volume) for n, volume in enumerate(volumes)]

    assert one_percentile(readings, percent) == pytest.approx(
        float(np.percentile(volumes, percent)), rel=1e-9, abs=1e-5
    )


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9), st.integers(0, 1000))
def test_percentiles_of_integers_are_exact(volumes: list[int], mille: int) -> None:
    readings = [Reading(1, 1, 1, 0, n, volume) for n, volume in enumerate(volumes)]
    at = Fraction(mille, 1000) * (len(volumes) - 1)
    low, high = sorted(volumes)[int(at)], sorted(volumes)[min(int(at) + 1, len(volumes) - 1)]

    value = one_percentile(readings, mille / 10)

    assert value == (low if at == int(at) or low == high else float(low + (high - low) * (at - int(at))))


def test_rates_are_given_by_resource_and_period(database: Database) -> None:
    store(database, *series(4), *series(2, resource_id="instance-2", project_id=None), CPU_UTIL)

    rows = Series(database).rate(StatisticsQuery(replace(CPU_OF_ALL, start=NOW), 120))

    assert [(row.resource_id, row.period_start, row.increase, row.seconds, row.rate) for row in rows] == [
        ("instance-1", NOW, 10**9, 60.0, 10**9 / 60),
        ("instance-2", NOW, 10**9, 60.0, 10**9 / 60),
        ("instance-1", NOW + 2 * MINUTE, 2 * 10**9, 120.0, 10**9 / 60),
    ]
    assert [row.project_id for row in rows] == ["project-a", None, "project-a"]
    assert rows[0].period_end == NOW + 2 * MINUTE


@pytest.mark.parametrize(
    ("generations", "volumes", "increase", "unknown"),
    [
        (("a", "a"), (5, 8), 3, 0),
        (("a", "b"), (5, 8), 8, 0),
        (("a", "b"), (5, 2), 2, 0),
        (("a", "a"), (5, 2), None, 1),
        ((None, None), (5, 2), None, 1),
        ((None, "a"), (5, 8), 3, 0),
        (("a", None), (5, 2), None, 1),
        (("a", "b"), (5, -2), None, 1),
        (("a", "a", "b", "b"), (5, 8, 1, 2), 5, 0),
        (("a", "a", "a"), (5, 2, 3), 1, 1),
        (("a", "a"), (-(2**63), 2**63 - 1), 2**64 - 1, 0),
        (("a", "a"), (5.5, 8.0), 2.5, 0),
        (("a", "a"), (5, 8.5), 3.5, 0),
        (("a", "a"), (0.0, 1e300), None, 1),
    ],
)
def test_restarts_of_a_counter_are_seen_by_its_generation(
    database: Database,
    generations: Sequence[str | None],
    volumes: Sequence[int | float],
    increase: int | float | None,
    unknown: int,
) -> None:
    store(
        database,
        *[
            sample(generation=generation, volume=volume, timestamp=NOW + MINUTE * n)
            for n, (generation, volume) in enumerate(zip(generations, volumes, strict=True))
        ],
    )

    (row,) = Series(database).rate(StatisticsQuery(CPU_OF_ALL))

    known = len(volumes) - 1 - unknown
    assert (row.increase, row.unknown, row.seconds) == (increase, unknown, 60.0 * known)
    assert row.rate == (None if increase is None else increase * SECOND / (60 * SECOND * known))
    assert (row.period_start, row.period_end) == (None, None)


def test_a_gauge_has_no_rate(database: Database) -> None:
    store(database, CPU_UTIL, replace(CPU_UTIL, timestamp=NOW + MINUTE, volume=99.0), CPU)

    assert Series(database).rate(StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu_util"))) == []
    assert Series(database).rate(StatisticsQuery(CPU_OF_ALL)) == []


def step_by_step(
    readings: Sequence[Reading], width: int
) -> dict[tuple[int, str], tuple[int | None, int, int]]:
    found: dict[tuple[int, str], tuple[int | None, int, int]] = {}
    for rid in {one.rid for one in readings}:
        own = sorted((one for one in readings if one.rid == rid), key=lambda one: one.ts)
        for before, after in pairwise(own):
            restarted = before.ver != after.ver
            known = (restarted and after.volume >= 0) or (not restarted and after.volume >= before.volume)
            rise = int(after.volume) - (0 if restarted else int(before.volume))
            key = (after.ts // width, NAMES.owner(rid).resource_id + str(NAMES.owner(rid).project_id))
            increase, span, unknown = found.get(key, (None, 0, 0))
            if known:
                found[key] = ((increase or 0) + rise, span + after.ts - before.ts, unknown)
            else:
                found[key] = (increase, span, unknown + 1)
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.integers(0, 90),
            st.integers(0, 2),
            st.one_of(st.integers(-5, 50), st.integers(-(2**63), 2**63 - 1)),
        ),
        max_size=25,
        unique_by=lambda one: one[:2],
    ),
    st.randoms(use_true_random=False),
)
def test_increases_of_periods_are_those_of_their_steps(
    drawn: list[tuple[int, int, int, int]], chance: Random
) -> None:
    readings = [Reading(group_of(rid), rid, 1, ver, ts * SECOND, volume) for rid, ts, ver, volume in drawn]
    cut = chance.randrange(len(readings) + 1)
    blocks = [*blocks_of(readings[:cut]), *blocks_of(readings[cut:], by_group=False)]

    rows: list[RateRow] = rates(blocks, Grain(Wanted(width_us=20 * SECOND)), NAMES)

    assert {
        (round(row.period_start.timestamp()) // 20, row.resource_id + str(row.project_id)): (
            row.increase,
            round(row.seconds * SECOND),
            row.unknown,
        )
        for row in rows
        if row.period_start is not None
    } == step_by_step(readings, 20 * SECOND)
