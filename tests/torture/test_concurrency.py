"""Writers, maintenance and readers at once: at every moment a reader sees every acknowledged sample exactly once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.samples import Samples
from storage.settings import DatabaseSettings, RetentionSettings
from storage.statistics import Statistics
from storage.upkeep.maintenance import Maintenance
from storage.watermarks import look
from tests.torture.life import MAINTENANCE
from tests.torture.store import BATCH, FIRST, ticks

SECONDS = 3.0
WRITERS = 2
STRIDE = 6  # batches of ten minutes: every one has an hour of its own
AHEAD = timedelta(minutes=70)  # maintenance closes an hour while its batch is being told
AWAY = 9  # batches: so much later a late one is told
DAYS = RetentionSettings()


class Account:
    """What has begun to be told, and what is acknowledged: readers see something in between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._late: list[int] = []
        self._told: set[int] = set()
        self.begun = self.acknowledged = 0

    def take(self) -> int:
        """The number of a batch nobody else has: the next one, or now and then one that was left out."""
        with self._lock:
            if self._late and self._next - self._late[0] > AWAY:
                number = self._late.pop(0)
            else:
                if self._next % 4 == 3:
                    self._late.append(self._next)
                    self._next += 1
                number, self._next = self._next, self._next + 1
            self.begun += BATCH
            return number

    def told(self) -> None:
        with self._lock:
            self.acknowledged += BATCH

    @property
    def now_minutes(self) -> int:
        """How far the history has come."""
        with self._lock:
            return 10 * STRIDE * self._next


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def database(schema_url: str) -> Iterator[Database]:
    database = Database(DatabaseSettings(url=schema_url, pool_size=10))
    yield database
    database.dispose()


def test_every_reader_sees_every_acknowledged_sample_once(database: Database, account: Account) -> None:
    end = time.monotonic() + SECONDS
    jobs: list[Callable[[float], int]] = [
        *[lambda end: _write(database, account, end)] * WRITERS,
        lambda end: _maintain(database, account, end),
        lambda end: _read(account, end, lambda: _by_statistics(database)),
        lambda end: _read(account, end, lambda: _by_hour(database)),
        lambda end: _read(account, end, lambda: _one_by_one(database)),
    ]

    with ThreadPoolExecutor(len(jobs)) as pool:
        done = [pool.submit(job, end) for job in jobs]
        turns = [one.result(60) for one in done]

    assert all(turns), turns
    assert _by_statistics(database) == _one_by_one(database) == account.acknowledged
    with database.read() as connection:
        marks = look(connection)
    assert marks.compacted > 0


def _write(database: Database, account: Account, end: float) -> int:
    """Each batch twice, the second time with a part of the one before."""
    samples = Samples(database)
    turns, before = 0, ticks(0, 0)
    while time.monotonic() < end:
        batch = ticks(STRIDE * account.take())
        at = FIRST + timedelta(microseconds=turns)
        samples.store(batch, received_at=at)
        account.told()
        samples.store([*batch, *before[::2]], received_at=at + timedelta(seconds=1))
        turns, before = turns + 1, batch
    return turns


def _maintain(database: Database, account: Account, end: float) -> int:
    maintenance = Maintenance(database, MAINTENANCE, DAYS)
    turns = 0
    while time.monotonic() < end:
        # Late readings of any time are merged: none of them came after this.
        now = FIRST + timedelta(minutes=account.now_minutes) + AHEAD
        maintenance.turn(now, lambda: time.monotonic() > end)
        turns += 1
    return turns


def _read(account: Account, end: float, count: Callable[[], int]) -> int:
    """What is counted is at least what was acknowledged before, and at most what was begun until after."""
    turns = seen = 0
    while time.monotonic() < end:
        least = max(account.acknowledged, seen)
        try:
            seen = count()
        except DatabaseUnavailable:
            continue  # no moment could be had within the time limit: no answer is not a wrong one
        assert least <= seen <= account.begun
        turns += 1
    return turns


def _by_statistics(database: Database) -> int:
    query = SampleQuery(EVERYTHING, meter="tick")
    rows = Statistics(database).compute(StatisticsQuery(query, None, ("project_id",)))
    assert all(row.count == row.total for row in rows)
    return sum(row.count for row in rows)


def _by_hour(database: Database) -> int:
    query = SampleQuery(EVERYTHING, meter="tick", start=FIRST)
    rows = Statistics(database).compute(StatisticsQuery(query, 3600, ("resource_id",)))
    assert all(row.count == row.total for row in rows)
    return sum(row.count for row in rows)


def _one_by_one(database: Database) -> int:
    found = Samples(database).find(SampleQuery(EVERYTHING, meter="tick"), 10**6)
    keys = {(one.sample.resource_id, one.sample.timestamp) for one in found}
    assert len(keys) == len(found)
    return len(found)
