"""Asks the store while it is soaked, and compares everything in the end."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import func, select

from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.sample import to_microseconds
from storage.samples import Samples
from storage.statistics import Statistics
from storage.tables import hot, late
from storage.tables_tiles import tile
from storage.watermarks import DAY, look
from tests.torture.soak_history import BEGIN, METERS, Account, Cell

METER = METERS[0][0]
INTERVAL_S = 0.5
BEHIND = timedelta(hours=12)  # how far maintenance may be behind the fast clock: some seconds of ours


class Watch:
    """Counts one meter all the while: never less than before, never more than was begun to be sent."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wrong: list[str] = []
        self.begun = 0
        self.queries = 0

    def run(self, stop: threading.Event) -> None:
        """Asks until `stop` is set."""
        seen = 0
        while not stop.wait(INTERVAL_S):
            try:
                count = self.count()
                newest = Samples(self._database).find(SampleQuery(EVERYTHING, meter=METER), 100)
            except DatabaseUnavailable as error:
                self._wrong.append(str(error))
                continue
            if not seen <= count <= self.begun:
                self._wrong.append(f"{count} samples, after {seen} and of {self.begun}")
            if len({(one.sample.resource_id, one.sample.timestamp) for one in newest}) != len(newest):
                self._wrong.append("one of the newest samples stands there twice")
            seen = count
            self.queries += 2

    def count(self) -> int:
        """How many samples of the meter there are."""
        query = SampleQuery(EVERYTHING, meter=METER)
        return sum(row.count for row in Statistics(self._database).compute(StatisticsQuery(query)))

    def check(self) -> None:
        """Raises AssertionError when an answer was wrong."""
        assert self._wrong == []
        assert self.queries > 0

    def is_maintained(self, now: datetime) -> bool:
        """Whether nothing waits but what is young."""
        with self._database.read() as connection:
            marks = look(connection)
            left = connection.execute(select(func.count()).select_from(late)).scalar_one()
            unsealed = connection.execute(select(func.count()).select_from(hot)).scalar_one()
            oldest = connection.execute(select(func.min(tile.c.start))).scalar()
        caught_up = marks.sealed >= to_microseconds(now - BEHIND)
        return caught_up and not left and not unsealed and (oldest is None or oldest >= marks.sealed - DAY)


def assert_right(database: Database, account: Account) -> None:
    """Every hour of every series comes to what was sent, by figures and sample by sample."""
    found: dict[Cell, tuple[int, int, int, int]] = {}
    for meter, _, _ in METERS:
        query = SampleQuery(EVERYTHING, meter=meter, start=BEGIN)
        for row in Statistics(database).compute(StatisticsQuery(query, 3600, ("resource_id",))):
            key = meter, str(row.groups["resource_id"]), row.first.replace(minute=0, second=0)
            found[key] = row.count, int(row.minimum), int(row.maximum), int(row.total)
    assert found == account.cells
    resource = "instance-1"
    one_by_one = Samples(database).find(SampleQuery(EVERYTHING, resource_id=resource), 10**6)
    assert len(one_by_one) == sum(cell[0] for key, cell in account.cells.items() if key[1] == resource)
