from datetime import datetime, timedelta

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.sample import from_microseconds, to_microseconds
from storage.samples import Samples
from storage.settings import MaintenanceSettings, RetentionSettings
from storage.tiles.seal import Sealer
from storage.upkeep.maintenance import Maintenance
from storage.upkeep.partition_kinds import SPAN
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
