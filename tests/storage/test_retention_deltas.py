"""Delta samples go by age, as others do, and leave hourly figures behind."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.resources import Resources
from storage.sample import Sample, from_microseconds, make_id
from storage.samples import Samples
from storage.statistics import Statistics
from storage.tables import delta, meter
from storage.tables_tiles import day_roll
from storage.tiles.damaged import Damaged
from storage.upkeep.retention import Retention
from tests.factories import MINUTE, NOW, sample
from tests.storage.aging import (
    ALL,
    DAY,
    HOUR,
    MIDNIGHT,
    RAW_TWO_DAYS,
    by_hour,
    count,
    maintain,
)


def downloads(first: datetime, count: int) -> list[Sample]:
    """What two resources did now and then, of a meter nobody polls; some of it in one moment, twice."""
    found = []
    for number in range(count * 8):
        one = sample(
            meter="image.download", type="delta", unit="B", generation=None, resource_id=f"r{number % 2}",
            timestamp=first + number * 3 * HOUR + 5 * MINUTE, volume=1000 + number,
        )  # fmt: skip
        again = 2 if number % 5 == 0 else 1
        found += [replace(one, id=make_id("download", str(number), str(part))) for part in range(again)]
    return found


def test_hourly_statistics_of_delta_samples_outlive_them(filled: Database) -> None:
    start, end = MIDNIGHT - 4 * DAY, MIDNIGHT
    nobody_polls = replace(
        downloads(start, 1)[0], resource_id="other", project_id="project-z", id=make_id("x")
    )
    Samples(filled).store([*downloads(start - DAY, 5), nobody_polls], received_at=NOW)
    before = by_hour(filled, "image.download", start, end)
    whole = StatisticsQuery(SampleQuery(EVERYTHING, meter="image.download", start=start, end=end), 86_400)
    by_day = Statistics(filled).compute(whole)

    maintain(filled, RAW_TWO_DAYS)

    assert count(filled, delta) == len(
        [one for one in downloads(start - DAY, 5) if one.timestamp > end - 2 * DAY]
    )
    assert len(before) > 30
    assert by_hour(filled, "image.download", start, end) == before
    assert Statistics(filled).compute(whole) == by_day
    assert Resources(filled).resource(EVERYTHING, "other") is not None
    listed = Samples(filled).find(replace(ALL, meter="image.download"), 1000)
    assert min(one.sample.timestamp for one in listed) >= end - 2 * DAY


def test_delta_samples_count_between_the_watermark_and_their_deletion(filled: Database) -> None:
    start, end = MIDNIGHT - 4 * DAY, MIDNIGHT
    Samples(filled).store(downloads(start, 4), received_at=NOW)
    retention, asked = Retention(filled, RAW_TWO_DAYS), ("image.download", start, end)
    before = by_hour(filled, *asked)

    retention.advance(NOW, Damaged(), Damaged())
    meanwhile = [by_hour(filled, *asked) for _ in retention.steps(NOW)]

    assert meanwhile
    assert all(rows == before for rows in meanwhile)


def test_cut_hours_of_delta_samples_are_left_out_where_samples_are_gone(filled: Database) -> None:
    start = MIDNIGHT - 4 * DAY
    Samples(filled).store(downloads(start, 4), received_at=NOW)
    retention, between = Retention(filled, RAW_TWO_DAYS), (start + 2 * MINUTE, start + 9 * HOUR + 7 * MINUTE)
    question = StatisticsQuery(
        SampleQuery(EVERYTHING, meter="image.download", start=between[0], end=between[1])
    )
    retention.advance(NOW, Damaged(), Damaged())

    undeleted = Statistics(filled).compute(question)
    list(retention.steps(NOW))

    assert [(row.count, row.first.hour, row.last.hour) for row in undeleted] == [(2, 3, 6)]
    assert Statistics(filled).compute(question) == undeleted


def test_hourly_figures_of_delta_samples_end_at_their_own_age(filled: Database) -> None:
    start = MIDNIGHT - 4 * DAY
    lonely = [replace(one, project_id="project-z", resource_id="other") for one in downloads(start, 4)]
    Samples(filled).store(lonely, received_at=NOW)
    maintain(filled, RAW_TWO_DAYS)
    maintain(filled, RAW_TWO_DAYS, NOW + 3 * DAY)

    with filled.read() as connection:
        meters = select(meter.c.mid).where(meter.c.type == "delta")
        first = connection.execute(select(func.min(day_roll.c.start)).where(day_roll.c.mid.in_(meters)))
        assert from_microseconds(first.scalar_one()) == MIDNIGHT - DAY
