"""What servers do to a store: forbid writing, end in the middle, lock, choose it as the victim of a deadlock.

Nothing acknowledged is lost or counted twice, the errors say to try again, and trying again is all it takes.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, delete, event, insert, make_url, text

from collector.maintenance import MaintenanceMetrics, maintenance_loop
from storage.errors import DatabaseUnavailable
from storage.sample import Refused
from storage.settings import MaintenanceSettings
from storage.tables import late
from storage.tiles import seal
from storage.upkeep.leases import Leases
from storage.watermarks import HOUR
from tests.end_to_end.program import eventually
from tests.factories import NOW
from tests.torture.conftest import Served
from tests.torture.store import Store, ticks

USER = "tenant"
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


@pytest.fixture
def store(served: Served) -> Iterator[Store]:
    store = Store(served.url)
    yield store
    store.database.dispose()


def execute(store: Store, *statements: str) -> None:
    """As the user who may do everything, each in a transaction of its own."""
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def as_user(served: Served, store: Store) -> Iterator[Store]:
    """The store of a user who has to obey a read-only server.

    PostgreSQL keeps him, he owns partitions by then: to hand them over would lock rows of the catalogue that autovacuum
    writes, and the server ends with the tests.
    """
    url = make_url(served.url)
    name = url.database
    if url.drivername.startswith("postgresql"):
        create = [f"CREATE ROLE {USER} LOGIN SUPERUSER"]
        remove = []
    else:
        create = [f"CREATE USER {USER}@'%'", f"GRANT ALL ON {name}.* TO {USER}@'%'"]
        remove = [f"DROP USER {USER}@'%'"]
    execute(store, *create)
    mine = Store(url.set(username=USER).render_as_string(hide_password=False))
    try:
        yield mine
    finally:
        mine.database.dispose()
        execute(store, *remove)


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    """A server that takes nothing, as a standby does."""
    if store.database.engine.dialect.name == "postgresql":
        begin = [f"ALTER ROLE {USER} SET default_transaction_read_only = on"]
        end = [f"ALTER ROLE {USER} RESET default_transaction_read_only"]
    else:
        begin, end = ["SET GLOBAL read_only = 1"], ["SET GLOBAL read_only = 0"]
    execute(store, *begin)
    try:
        yield
    finally:
        execute(store, *end)


def test_a_server_that_became_read_only_is_away_until_it_takes_samples_again(
    served: Served, store: Store
) -> None:
    with as_user(served, store) as mine:
        mine.tell(ticks(0))
        mine.database.dispose()  # new sessions obey the new default
        with read_only(store):
            with pytest.raises(DatabaseUnavailable):
                mine.tell(ticks(1))
            with pytest.raises(DatabaseUnavailable):
                mine.maintain()
            assert mine.is_right()

        with suppress(
            DatabaseUnavailable
        ):  # by a session that is still read-only: that is the end of all of them
            mine.tell(ticks(1))
        if mine.acknowledged == len(ticks(0)):
            mine.tell(ticks(1))
        mine.maintain()
        assert mine.is_right()


def test_a_server_killed_in_the_middle_of_sealing_is_gone_on_with_when_it_is_back(
    served: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of the collector does it by itself."""
    for number in range(8):
        store.tell(ticks(number))
    killed: list[str] = []
    passed = (timedelta(milliseconds=number) for number in count())

    def kill(point: str) -> None:
        if point in ("seal.written", "seal.moved") and point not in killed:
            served.server.kill()
            killed.append(point)

    monkeypatch.setattr(seal, "reach", kill)
    loop = maintenance_loop(
        store.maintenance,
        Leases(store.database),
        MaintenanceSettings(interval_s=1),
        MaintenanceMetrics(CollectorRegistry()),
        holder="test",
        clock=lambda: NOW + next(passed),
    )
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    for number in (1, 2):
        eventually(partial(_are_so_many, killed, number), "the server is killed")
        served.server.start()

    eventually(lambda: _is_sealed(store), "everything is sealed")
    stop.set()
    thread.join(30)
    assert killed == ["seal.written", "seal.moved"]
    assert store.is_right()


def _are_so_many(killed: Sequence[str], number: int) -> bool:
    return len(killed) == number


def _is_sealed(store: Store) -> bool:
    with suppress(DatabaseUnavailable), store.database.read() as connection:
        left = connection.execute(text(f"SELECT count(*) FROM hot WHERE ts < {_micros()}")).scalar_one()
        sealed = connection.execute(text("SELECT at FROM watermark WHERE name = 'sealed'")).scalar_one()
        return bool(left == 0 and sealed >= _micros() - HOUR)
    return False


def _micros() -> int:
    return int(NOW.timestamp()) * 10**6


def test_a_batch_waits_for_a_lock_longer_than_the_server_lets_it(served: Served) -> None:
    """Lock timeouts are retried, whole transactions each time."""
    store = Store(served.url, timeout_s=1)
    store.tell(ticks(0))
    timeouts = _failures(store)

    with ThreadPoolExecutor(1) as pool:
        with store.database.write() as connection:
            connection.execute(text("UPDATE watermark SET at = at WHERE name = 'closed'"))
            telling = pool.submit(store.tell, ticks(1))
            eventually(lambda: len(timeouts) >= 2, "the batch ran into the time limit twice")
        telling.result(30)

    assert store.is_right()
    store.database.dispose()


def test_a_batch_chosen_as_the_victim_of_a_deadlock_is_written_once(store: Store) -> None:
    """Somebody takes the two locks of every batch in the other order: the watermarks after a row."""
    refused = Refused("unreadable", b"known", "agent", NOW)
    store.samples.store([], [refused], received_at=NOW)
    store.tell(ticks(0))
    dialect = store.database.engine.dialect.name
    failures = _failures(store)

    for number in range(1, 4):
        with ThreadPoolExecutor(1) as pool:
            with suppress(DatabaseUnavailable), store.database.write() as connection:
                _weigh(connection, number)
                connection.execute(text("UPDATE quarantine SET times = times + 1"))
                telling = pool.submit(store.samples.store, ticks(number), [refused], received_at=NOW)
                eventually(lambda: _waiting(store, dialect) > 0, "the batch waits for its message's row")
                connection.execute(text("UPDATE watermark SET at = at WHERE name = 'closed'"))
            telling.result(60)
        store.acknowledged += len(ticks(number))
        assert store.is_right()
    assert any("deadlock" in failure.lower() for failure in failures)


def _weigh(connection: Connection, number: int) -> None:
    """Has changed so much that MariaDB rather rolls back the other one."""
    rows = [(10**6, place, number, 1, 1, 0, bytes(8)) for place in range(200)]
    connection.execute(insert(late), [dict(zip(late.c.keys(), row, strict=True)) for row in rows])
    connection.execute(delete(late).where(late.c.gid == 10**6))


def _waiting(store: Store, dialect: str) -> int:
    with store.database.read() as connection:
        return int(connection.execute(text(WAITING[dialect])).scalar_one())


def _failures(store: Store) -> list[str]:
    """What the server refused from now on, as it happens."""
    found: list[str] = []

    @event.listens_for(store.database.engine, "handle_error")
    def failed(context: Any) -> None:  # Any: an ExceptionContext
        found.append(str(context.original_exception))

    return found


def test_writers_and_maintenance_in_each_others_way_are_all_done_in_the_end(store: Store) -> None:
    """Six threads tell the same samples in other orders and batches, while two maintain."""
    whole = [one for number in range(12) for one in ticks(number)]

    def tell(thread: int) -> None:
        order = whole[::-1] if thread % 2 else whole
        for start in range(0, len(order), 30 + thread):
            store.samples.store(order[start : start + 30 + thread], received_at=NOW)

    jobs: list[Callable[[], None]] = [*[lambda thread=thread: tell(thread) for thread in range(6)]]
    jobs += [lambda: Store.maintain(store), lambda: Store.maintain(store)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result(120)

    store.maintain()
    store.acknowledged = len(whole)
    assert store.is_right()
