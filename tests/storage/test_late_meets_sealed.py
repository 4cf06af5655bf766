"""A process that has read nothing yet answers while late readings wait."""

from dataclasses import replace
from datetime import timedelta

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.samples import Samples
from storage.statistics import Statistics
from tests.factories import CPU, CPU_UTIL, NOW
from tests.storage.layers import Maintained


def test_late_readings_of_one_meter_meet_sealed_ones_of_another(database: Database) -> None:
    store = Maintained(database)
    store.store([CPU, CPU_UTIL])
    store.seal(timedelta(hours=2))
    store.store([CPU, replace(CPU, resource_id="instance-2")])

    found = Samples(database).find(SampleQuery(EVERYTHING), 10)
    query = SampleQuery(EVERYTHING, start=NOW - timedelta(minutes=1), meter="cpu_util")
    (row,) = Statistics(database).compute(StatisticsQuery(query))

    assert len(found) == 3
    assert row.count == 1
