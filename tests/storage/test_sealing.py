from datetime import datetime, timedelta

import numpy as np

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery
from storage.reading.gathered import gathered
from storage.reading.polled import PolledRows, polled
from storage.sample import from_microseconds, to_microseconds
from storage.samples import Samples
from storage.settings import MaintenanceSettings, RetentionSettings
from storage.tables import hot
from storage.tiles.seal import Sealer
from storage.upkeep.maintenance import Maintenance
from storage.upkeep.partition_kinds import SPAN
from storage.upkeep.partitions import Partitions
from storage.watermarks import Watermarks, known
from tests.factories import NOW, sample

HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=10)
BEGIN = from_microseconds(to_microseconds(NOW) // SPAN * SPAN - 2 * SPAN)  # of a partition
RESOURCES = 3


def poll(database: Database, hour: int) -> datetime:
    """Readings of this hour after BEGIN arrive; returns when its grace is over."""
    moment = BEGIN + hour * HOUR + timedelta(minutes=30)
    some = [sample(resource_id=f"r-{one}", timestamp=moment, volume=hour) for one in range(RESOURCES)]
    Samples(database).store(some, received_at=moment)
    return BEGIN + (hour + 1) * HOUR + GRACE


def marks(database: Database) -> Watermarks:
    with database.read() as connection:
        return known(connection)


def hours_after(at: int) -> int:
    return (from_microseconds(at) - BEGIN) // HOUR


def lived(database: Database, sealer: Sealer, hours: int) -> list[int]:
    """How many hours are sealed after each; every reading is found all the while."""
    sealed = []
    for hour in range(hours):
        now = poll(database, hour)
        sealer.close(now)
        while sealer.step():
            pass
        sealed.append(hours_after(marks(database).sealed))
        found = Samples(database).find(SampleQuery(EVERYTHING), 1000)
        assert len(found) == (hour + 1) * RESOURCES
    return sealed


def test_hours_of_few_readings_are_sealed_together_once_their_partition_is_over(database: Database) -> None:
    sealer = Sealer(database, grace=GRACE, waits_for=1000)

    sealed = lived(database, sealer, 8)

    assert sealed == [1, 1, 1, 4, 4, 4, 4, 8]  # of the first hour nobody knows yet how few there are


def test_hours_are_sealed_as_soon_as_there_are_readings_enough(database: Database) -> None:
    by_two = Sealer(database, grace=GRACE, waits_for=2 * RESOURCES)

    sealed = lived(database, by_two, 8)

    assert sealed == [1, 1, 3, 4, 4, 6, 6, 8]


def test_an_hour_that_waits_takes_readings_as_an_open_one_does(database: Database) -> None:
    sealer = Sealer(database, grace=GRACE, waits_for=1000)
    lived(database, sealer, 3)

    assert hours_after(marks(database).closed) == 1


def test_what_waits_is_sealed_by_hand(database: Database) -> None:
    settings, retention = MaintenanceSettings(), RetentionSettings()
    patient = Maintenance(database, settings, retention, waits=True)
    for hour in range(3):
        now = poll(database, hour)
        patient.turn(now)
    assert hours_after(marks(database).sealed) == 1

    Maintenance(database, settings, retention).turn(now)

    assert hours_after(marks(database).sealed) == 3


def test_a_small_cloud_gets_a_partition_for_half_a_day(database: Database) -> None:
    patient = Maintenance(database, MaintenanceSettings(), RetentionSettings(), waits=True)

    for hour in range(24):
        patient.turn(poll(database, hour))

    ends = [one.end for one in Partitions(database).hours() if one.end is not None]
    if database.engine.dialect.name != "sqlite":
        assert [hours_after(end) for end in ends] == [32]  # BEGIN is at four
    assert hours_after(marks(database).sealed) == 24
    assert len(Samples(database).find(SampleQuery(EVERYTHING), 1000)) == 24 * RESOURCES


def test_rows_of_a_group_are_told_apart_by_what_came_with_them(database: Database) -> None:
    moments = [NOW + number * timedelta(minutes=1) for number in range(4)]
    for number, moment in enumerate(moments):
        some = [sample(timestamp=moment, volume=number), sample(resource_id="other", timestamp=moment)]
        if number % 2:
            some += [sample(timestamp=moment, meter="memory", type="gauge", volume=number / 4)]
        Samples(database).store(some, received_at=moment)
    names = Names()
    with database.read() as connection:
        (expected,) = polled(connection, hot, ("ts > %s", (0,)), in_pages=False)
        found = gathered(connection, names, ("ts > %s", (0,)), arrivals=True)
        without = gathered(connection, names, ("ts > %s", (0,)), arrivals=False)

    for rows in (found, without):
        assert len(rows) == len(expected) == 2
        for one, other in zip(sorted(rows, key=by_part), sorted(expected, key=by_part), strict=True):
            assert (one.gid, one.part) == (other.gid, other.part)
            for name in ("rid", "ts", "ver", "readings", *(["recv"] if rows is found else [])):
                assert np.array_equal(getattr(one, name), getattr(other, name))


def by_part(rows: PolledRows) -> int:
    return rows.part
