"""A store as a collector has it, driven by a test, which keeps account of what was acknowledged."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.sample import Sample
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.statistics import Statistics
from storage.upkeep.maintenance import Maintenance
from tests.factories import CPU, NOW
from tests.torture.life import MAINTENANCE, RETENTION

BATCH = 20
FIRST = NOW - timedelta(hours=40)


class Store:
    """Tells a database samples of one meter, each worth one, so that statistics count them, too."""

    def __init__(self, url: str, *, timeout_s: float = 5) -> None:
        self.database = Database(DatabaseSettings(url=url, timeout_s=timeout_s))
        self.samples = Samples(self.database)
        self.maintenance = Maintenance(self.database, MAINTENANCE, RETENTION)
        self.acknowledged = 0

    def tell(self, samples: Sequence[Sample], received_at: datetime = NOW) -> None:
        """Stores them; raises as `Samples.store` does."""
        self.samples.store(samples, received_at=received_at)
        self.acknowledged += len(samples)

    def maintain(self, now: datetime = NOW) -> None:
        """All there is to do; raises as `Maintenance.turn` does."""
        while not self.maintenance.turn(now).is_finished:
            pass

    def counted(self) -> tuple[int, int, int]:
        """How many samples there are: by statistics, by their sum, and one by one."""
        query = SampleQuery(EVERYTHING, meter="tick")
        rows = Statistics(self.database).compute(StatisticsQuery(query))
        found = self.samples.find(query, 10**6)
        return sum(row.count for row in rows), sum(int(row.total) for row in rows), len(found)

    def is_right(self) -> bool:
        """Whether exactly what was acknowledged is there."""
        return self.counted() == (self.acknowledged,) * 3


def ticks(number: int, count: int = BATCH, *, resources: int = 5) -> list[Sample]:
    """Batch `number`: samples that no other batch has, ten minutes of some resources, each worth one."""
    start = FIRST + number * timedelta(minutes=10)
    return [
        Sample(
            "tick",
            "gauge",
            "B",
            1,
            f"instance-{place % resources}",
            f"project-{place % 2}",
            start + timedelta(seconds=place // resources),
            metadata=CPU.metadata,
        )
        for place in range(count)
    ]
