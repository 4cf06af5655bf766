"""What is too old goes, what counts on stays: by day, class and meter."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from storage.database import Database
from storage.quarantine import Quarantine
from storage.query import EVERYTHING, SampleQuery
from storage.resources import Resources
from storage.sample import Refused, from_microseconds, make_id, to_microseconds
from storage.samples import Samples
from storage.settings import RetentionSettings
from storage.tables import delta, delta_identity, late, quarantine
from storage.tables_alarms import alarm_change, delivery, delivery_attempt
from storage.tables_tiles import STAMPS, day_roll, day_tile
from storage.tiles.damaged import Damaged
from storage.upkeep.maintenance import Maintenance
from storage.upkeep.retention import Retention
from storage.watermarks import look
from tests.factories import NOW, sample
from tests.storage.aging import (
    ALL,
    DAY,
    HOUR,
    MIDNIGHT,
    RAW_TWO_DAYS,
    SETTINGS,
    by_hour,
    count,
    days,
    maintain,
)


def raw_from(database: Database) -> datetime:
    with database.read() as connection:
        return from_microseconds(look(connection).raw_from)


@pytest.mark.parametrize("meter", ["cpu", "memory", "load"])
def test_hourly_statistics_outlive_the_samples(filled: Database, meter: str) -> None:
    start, end = MIDNIGHT - 4 * DAY, MIDNIGHT
    before = by_hour(filled, meter, start, end)

    maintain(filled, RAW_TWO_DAYS)

    assert raw_from(filled) == MIDNIGHT - 2 * DAY
    assert len(before) == 96
    assert by_hour(filled, meter, start, end) == before


def test_samples_end_with_the_watermark_whether_or_not_rows_are_deleted_yet(filled: Database) -> None:
    retention = Retention(filled, RAW_TWO_DAYS)
    retention.advance(NOW, Damaged(), Damaged())
    undeleted = count(filled, day_tile)

    shown = Samples(filled).find(ALL, 10_000)
    seen = Resources(filled).resources(SampleQuery(EVERYTHING, end=MIDNIGHT - 2 * DAY), 10)
    list(retention.steps(NOW))

    assert min(one.sample.timestamp for one in shown) == MIDNIGHT - 2 * DAY
    assert len(shown) == 2 * 12 * 2 * 3
    assert seen == []
    assert count(filled, day_tile) < undeleted
    assert Samples(filled).find(ALL, 10_000) == shown
    with filled.read() as connection:
        first = connection.execute(select(func.min(day_tile.c.start))).scalar_one()
    assert from_microseconds(first) == MIDNIGHT - 2 * DAY


def test_hourly_figures_end_at_their_own_age(filled: Database) -> None:
    maintain(filled, RAW_TWO_DAYS)

    rows = by_hour(filled, "cpu", MIDNIGHT - 5 * DAY, MIDNIGHT)

    assert min(row.first for row in rows) == MIDNIGHT - 4 * DAY
    with filled.read() as connection:
        first = connection.execute(select(func.min(day_roll.c.start))).scalar_one()
    assert from_microseconds(first) == MIDNIGHT - 4 * DAY


def test_hours_that_a_question_cuts_are_left_out_where_samples_are_gone(filled: Database) -> None:
    maintain(filled, RAW_TWO_DAYS)

    rows = by_hour(filled, "cpu", MIDNIGHT - 4 * DAY - HOUR / 2, MIDNIGHT - 3 * DAY)

    assert rows == []


def test_late_samples_are_refused_once_they_are_too_old(filled: Database) -> None:
    maintain(filled, RAW_TWO_DAYS)
    old = sample(resource_id="r0", timestamp=MIDNIGHT - 2 * DAY - HOUR)

    stored = Samples(filled).store([old], received_at=NOW)

    assert (stored.new, stored.duplicates) == (0, 0)
    assert stored.kept_from == to_microseconds(MIDNIGHT - 2 * DAY)
    assert Quarantine(filled).count() == 1


def test_days_that_are_not_compacted_yet_are_kept(database: Database) -> None:
    Samples(database).store(days(MIDNIGHT - 5 * DAY, 5), received_at=NOW)
    maintenance = Maintenance(database, SETTINGS, RAW_TWO_DAYS)
    for step in maintenance.steps(NOW):
        if step.stage == "compact":
            break

    Retention(database, RAW_TWO_DAYS).advance(NOW, Damaged(), Damaged())

    assert raw_from(database) == MIDNIGHT - 4 * DAY
    maintain(database, RAW_TWO_DAYS)
    assert len(by_hour(database, "cpu", MIDNIGHT - 4 * DAY, MIDNIGHT)) == 96


def test_days_that_late_samples_wait_for_are_kept_for_two_days_more(filled: Database) -> None:
    old = sample(resource_id="r0", timestamp=MIDNIGHT - 3 * DAY + HOUR)
    Samples(filled).store([old], received_at=NOW)

    Retention(filled, RAW_TWO_DAYS).advance(NOW, Damaged(), Damaged())
    held = raw_from(filled)
    Retention(filled, RAW_TWO_DAYS).advance(NOW + 3 * DAY, Damaged(), Damaged())

    assert held == MIDNIGHT - 3 * DAY
    assert raw_from(filled) == MIDNIGHT - 2 * DAY


def test_a_meter_with_a_shorter_life_goes_alone(filled: Database) -> None:
    statistics = {meter: by_hour(filled, meter, MIDNIGHT - 5 * DAY, MIDNIGHT) for meter in ("cpu", "memory")}

    maintain(filled, RetentionSettings(meters={"cpu": "2d"}))

    shown = Samples(filled).find(SampleQuery(EVERYTHING, meter="cpu"), 1000)
    other = Samples(filled).find(SampleQuery(EVERYTHING, meter="memory"), 1000)
    assert (len(shown), len(other)) == (48, 120)
    assert min(one.sample.timestamp for one in shown) == MIDNIGHT - 2 * DAY
    for name, before in statistics.items():
        assert by_hour(filled, name, MIDNIGHT - 5 * DAY, MIDNIGHT) == before


def test_figures_of_a_meter_that_is_gone_survive_late_samples_of_others(filled: Database) -> None:
    maintain(filled, RetentionSettings(meters={"cpu": "2d"}))
    before = by_hour(filled, "cpu", MIDNIGHT - 5 * DAY, MIDNIGHT)
    moment = MIDNIGHT - 4 * DAY + HOUR
    cpu = sample(resource_id="r0", timestamp=moment)
    memory = replace(cpu, meter="memory", type="gauge", unit="MB", generation=None, volume=7)
    Samples(filled).store([cpu, memory], received_at=NOW)

    maintain(filled, RetentionSettings(meters={"cpu": "2d"}), NOW + timedelta(seconds=1))

    assert count(filled, late) == 0
    assert by_hour(filled, "cpu", MIDNIGHT - 5 * DAY, MIDNIGHT) == before
    (row,) = by_hour(filled, "memory", moment, moment + HOUR)
    assert (row.count, row.total) == (1, 7)


def test_deltas_and_their_ids_go_with_their_day(database: Database) -> None:
    event = sample(meter="image.download", type="delta", unit="B", generation=None, volume=3)
    old, at_border, young = (
        replace(event, timestamp=moment, id=make_id("test", str(number)))
        for number, moment in enumerate(
            [MIDNIGHT - 2.5 * DAY, MIDNIGHT - 2 * DAY + timedelta(minutes=4), MIDNIGHT - DAY]
        )
    )
    for one, ahead in ((old, 0), (at_border, 4.5), (young, 0)):
        Samples(database).store([one], received_at=one.timestamp - timedelta(minutes=ahead))

    maintain(database, RAW_TWO_DAYS)
    again = Samples(database).store([old, at_border, young], received_at=NOW)

    assert (count(database, delta), count(database, delta_identity)) == (2, 2)
    assert (again.new, again.duplicates) == (0, 2)


def test_what_is_not_samples_goes_by_its_age(database: Database) -> None:
    for number, age in enumerate((10 * DAY, 100 * DAY, 400 * DAY)):
        Quarantine(database).keep([Refused("bad", f"{number}".encode(), "test", NOW - age)])
        with database.write() as connection:
            connection.execute(insert(alarm_change).values(**_change(number, NOW - age)))
            for state in ("delivered", "pending"):
                name = f"{state}-{number}"
                connection.execute(insert(delivery).values(**_delivery(name, state, NOW - age)))
                attempt = {"number": 1, "at": 0, "status": 204, "error": "", "duration_ms": 1}
                connection.execute(insert(delivery_attempt).values(delivery_id=name, **attempt))

    maintain(database, RetentionSettings())

    assert [one.body for one in Quarantine(database).newest(9)] == [b"0"]
    assert count(database, quarantine) == 1
    assert count(database, alarm_change) == 2
    with database.read() as connection:
        kept = (
            connection.execute(select(delivery.c.delivery_id).order_by(delivery.c.delivery_id))
            .scalars()
            .all()
        )
    assert kept == ["delivered-0", "delivered-1", "pending-0", "pending-1", "pending-2"]
    assert count(database, delivery_attempt) == 5


def test_deleting_that_was_cut_short_is_finished_by_another(filled: Database) -> None:
    first = Retention(filled, RAW_TWO_DAYS)
    first.advance(NOW, Damaged(), Damaged())
    next(first.steps(NOW))

    list(Retention(filled, RAW_TWO_DAYS).steps(NOW))

    with filled.read() as connection:
        stamps = connection.execute(select(func.count()).where(day_tile.c.mid == STAMPS)).scalar_one()
    assert stamps == 2
    assert list(Retention(filled, RAW_TWO_DAYS).steps(NOW)) == []


def _change(number: int, at: datetime) -> dict[str, object]:
    texts = dict.fromkeys(("alarm_id", "type", "detail", "severity"), "x")
    return {"event_id": str(number), "timestamp": to_microseconds(at), **texts}


def _delivery(name: str, state: str, at: datetime) -> dict[str, object]:
    texts = dict.fromkeys(("alarm_id", "project_id", "host", "url"), "x")
    numbers = {"attempts": 1, "step": 0, "next_attempt_at": 0, "created_at": to_microseconds(at)}
    return {"delivery_id": name, "state": state, "body": b"", **texts, **numbers}
