import math
import random
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.statistics import Statistics
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series

LATER = NOW + timedelta(seconds=1)
CPU_OF_ALL = SampleQuery(EVERYTHING, meter="cpu")
CPU_UTIL_OF_ALL = SampleQuery(EVERYTHING, meter="cpu_util")


def store(database: Database, *samples: Sample) -> None:
    Samples(database).store(samples, received_at=LATER)


def test_one_row_sums_everything_up(database: Database) -> None:
    store(
        database,
        *[replace(CPU_UTIL, timestamp=NOW + MINUTE * n, volume=v) for n, v in enumerate([1.0, 2.0, 6.0])],
    )

    (row,) = Statistics(database).compute(StatisticsQuery(CPU_UTIL_OF_ALL, stddev=True))

    assert (row.unit, row.count, row.minimum, row.maximum, row.total, row.mean) == (
        "%",
        3,
        1.0,
        6.0,
        9.0,
        3.0,
    )
    assert row.stddev == pytest.approx(math.sqrt(14 / 3))
    assert (row.first, row.last) == (NOW, NOW + 2 * MINUTE)
    assert row.period_start is None


def test_integer_sums_are_exact_beyond_64_bits(database: Database) -> None:
    store(database, *[sample(volume=2**63 - 1 - n, timestamp=NOW + MINUTE * n) for n in range(3)])

    (row,) = Statistics(database).compute(StatisticsQuery(CPU_OF_ALL, stddev=True))

    assert row.total == 3 * (2**63 - 1) - 3
    assert row.stddev == math.sqrt(Fraction(2, 3))


@pytest.mark.parametrize(
    ("volumes", "total", "mean", "stddev"),
    [
        ([1.5e308, 1.5e308], math.inf, 1.5e308, 0.0),
        ([-1.5e308, -1.5e308], -math.inf, -1.5e308, 0.0),
        ([1e308, 1e308, -1e308], 1e308, 1e308 / 3, 9.42809041582e307),
        ([1e200, -1e200], 0.0, 0.0, 1e200),
    ],
)
def test_numbers_at_the_end_of_the_scale_are_summed_up(
    database: Database, volumes: list[float], total: float, mean: float, stddev: float
) -> None:
    store(database, *[replace(CPU_UTIL, timestamp=NOW + MINUTE * n, volume=v) for n, v in enumerate(volumes)])

    (row,) = Statistics(database).compute(StatisticsQuery(CPU_UTIL_OF_ALL, stddev=True))

    assert row.total == total
    assert [row.mean, row.stddev] == pytest.approx([mean, stddev])


def test_the_order_of_arrival_does_not_change_an_answer(database: Database) -> None:
    volumes = [1e16, 1.0, -1e16, 0.1, 3.7e-9] * 20
    shuffled = random.Random(7).sample(volumes, len(volumes))
    for project, order in (("p1", volumes), ("p2", shuffled)):
        store(
            database,
            *[
                replace(CPU_UTIL, project_id=project, timestamp=NOW + MINUTE * n, volume=v)
                for n, v in enumerate(order)
            ],
        )

    rows = [
        Statistics(database).compute(
            StatisticsQuery(SampleQuery(Scope(project), meter="cpu_util"), stddev=True)
        )[0]
        for project in ("p1", "p2")
    ]

    assert rows[0].total == rows[1].total == math.fsum(volumes)
    assert rows[0].stddev == rows[1].stddev


def test_periods_begin_at_the_start_asked_for_and_empty_ones_are_left_out(database: Database) -> None:
    store(database, *series(2), *[replace(one, timestamp=one.timestamp + 10 * MINUTE) for one in series(1)])
    start = NOW - timedelta(seconds=30)

    rows = Statistics(database).compute(StatisticsQuery(replace(CPU_OF_ALL, start=start), period_s=60))

    assert [row.count for row in rows] == [1, 1, 1]
    assert [row.period_start for row in rows] == [start + MINUTE * n for n in (0, 1, 10)]
    assert all(row.period_end == row.period_start + MINUTE for row in rows if row.period_start)


def test_periods_begin_at_the_first_sample_without_a_start(database: Database) -> None:
    store(database, *series(3))

    rows = Statistics(database).compute(StatisticsQuery(CPU_OF_ALL, period_s=120))

    assert [(row.period_start, row.count) for row in rows] == [(NOW, 2), (NOW + 2 * MINUTE, 1)]


def test_groups_and_cardinality_are_counted(database: Database) -> None:
    store(
        database,
        CPU,
        sample(resource_id="instance-2", metadata={"instance_type": "m1.large"}),
        sample(resource_id="instance-3", project_id="project-b", user_id="user-2"),
    )

    rows = Statistics(database).compute(
        StatisticsQuery(CPU_OF_ALL, groupby=("project_id",), cardinality=("resource_id", "user_id"))
    )
    by_flavour = Statistics(database).compute(
        StatisticsQuery(CPU_OF_ALL, groupby=("resource_metadata.instance_type",))
    )

    assert [(dict(row.groups), dict(row.cardinality)) for row in rows] == [
        ({"project_id": "project-a"}, {"resource_id": 2, "user_id": 1}),
        ({"project_id": "project-b"}, {"resource_id": 1, "user_id": 1}),
    ]
    assert [row.count for row in by_flavour] == [1, 2]


def test_unlike_units_get_rows_of_their_own(database: Database) -> None:
    store(database, CPU, sample(unit="s"))

    rows = Statistics(database).compute(StatisticsQuery(CPU_OF_ALL))

    assert [(row.unit, row.count) for row in rows] == [("ns", 1), ("s", 1)]


def test_duplicates_and_other_projects_are_not_in_a_sum(database: Database) -> None:
    memory = sample(meter="memory", type="gauge", unit="MiB", volume=5.0)
    store(database, CPU)
    Samples(database).store([CPU, memory], received_at=LATER + MINUTE)
    store(database, sample(project_id="project-b"))

    (row,) = Statistics(database).compute(StatisticsQuery(SampleQuery(Scope("project-a"), meter="cpu")))

    assert (row.count, row.total) == (1, CPU.volume)


def test_no_sample_gives_no_row(database: Database) -> None:
    assert Statistics(database).compute(StatisticsQuery(CPU_OF_ALL, period_s=60)) == []


def test_a_deviation_is_not_made_unless_it_is_asked_for(database: Database) -> None:
    store(database, CPU)

    (row,) = Statistics(database).compute(StatisticsQuery(CPU_OF_ALL))

    assert row.stddev is None


def test_periods_by_user_begin_at_the_first_sample_without_a_start(database: Database) -> None:
    store(database, *series(3), *series(2, resource_id="instance-2", user_id="user-2"))

    rows = Statistics(database).compute(StatisticsQuery(CPU_OF_ALL, period_s=120, groupby=("user_id",)))

    assert [(row.period_start, row.groups["user_id"], row.count) for row in rows] == [
        (NOW, "user-1", 2),
        (NOW, "user-2", 2),
        (NOW + 2 * MINUTE, "user-1", 1),
    ]


def test_a_table_holds_what_the_rows_hold(database: Database) -> None:
    store(database, *series(3), sample(resource_id="instance-2", project_id=None))
    query = StatisticsQuery(CPU_OF_ALL, 60, ("project_id",), ("resource_id",), stddev=True)

    table = Statistics(database).table(query)

    assert len(table) == 4
    assert list(table.rows()) == Statistics(database).compute(query)
    assert table.groups["project_id"].names == (None, "project-a")
