"""Days of samples, and everything that is done to them as they age."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Table, func, select

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery, StatisticsRow
from storage.sample import Sample
from storage.settings import MaintenanceSettings, RetentionSettings
from storage.statistics import Statistics
from storage.upkeep.maintenance import Maintenance
from tests.factories import NOW, sample

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MIDNIGHT = NOW.replace(hour=0)
ALL = SampleQuery(EVERYTHING)
SETTINGS = MaintenanceSettings(late_wait_s=0)
RAW_TWO_DAYS = RetentionSettings(raw="2d", hourly="4d")


def days(first: datetime, count: int, *, resources: int = 2) -> list[Sample]:
    """Three meters of some resources every two hours."""
    found = []
    for number in range(count * 12):
        for resource in range(resources):
            cpu = sample(
                resource_id=f"r{resource}",
                timestamp=first + number * 2 * HOUR,
                volume=1000 * number + resource,
            )
            gauge = replace(cpu, type="gauge", generation=None)
            found += [
                cpu,
                replace(gauge, meter="memory", unit="MB", volume=number),
                replace(gauge, meter="load", unit="1", volume=number / 3),
            ]
    return found


def maintain(database: Database, retention: RetentionSettings, now: datetime = NOW) -> Maintenance:
    """Everything there is to do."""
    maintenance = Maintenance(database, SETTINGS, retention)
    while not maintenance.turn(now).is_finished:
        pass
    return maintenance


def by_hour(database: Database, meter: str, start: datetime, end: datetime) -> list[StatisticsRow]:
    query = SampleQuery(EVERYTHING, meter=meter, start=start, end=end)
    return Statistics(database).compute(StatisticsQuery(query, 3600, ("resource_id",)))


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
