"""The storage stage: live cycles of 10 000 samples, each deduplicated and committed, against rows one by one."""

import functools
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from bench import messages
from bench.lab import Lab
from bench.measure import seconds, undisturbed
from bench.oracle import by_project, check, check_count, is_exact
from bench.peers.narrow import Narrow, Rows, rows
from bench.peers.rollup import Filled, Rollup
from bench.peers.rows import MariaDBRows, SQLiteRows, tuples
from bench.product import Store, answer
from bench.rows import Row, at_least
from bench.workload import CPU, DAY, METERS, STEP, Workload
from storage.ingest.batch import SampleBatch

REPLAYED = 12  # cycles


class IngestPostgreSQL:
    """Ours against binary COPY into an unindexed table; rows + roll-up for comparison."""

    name = "ingest-postgresql"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload, rollup = lab.half_day, lab.postgresql.create_database()
        peer, ours = Filled(rollup), Store.create(lab.postgresql.create_database())
        peer.live(workload)
        with closing(ours), Narrow(lab.postgresql.create_database()) as limit:
            rates = _rates(
                workload,
                ours,
                {
                    "limit": lambda batch: functools.partial(limit.store, batch),
                    "rows + roll-up": lambda batch: functools.partial(peer.store, batch),
                },
            )
            check_count("raw COPY", limit.count(), workload.size.samples)
            peer.tidy()
            with closing(Rollup(rollup)) as asked:
                check_count("rows + roll-up", asked.count(), workload.size.samples)
            yield at_least("storage stage, PostgreSQL", rates["ours"], "samples/s", rates["limit"], 0.5)
            yield Row("rows + roll-up, PostgreSQL", rates["rows + roll-up"], "samples/s", rates["limit"])
            yield _replayed(workload, ours, rates["ours"], "PostgreSQL")


class IngestSQLite:
    """Ours against one row for each sample."""

    name = "ingest-sqlite"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload, folder = lab.half_day, lab.new_folder()
        ours = Store.create(f"sqlite:///{folder / 'ours.db'}")
        with closing(ours), closing(SQLiteRows(folder / "rows.db")) as peer:
            rates = _rates(
                workload, ours, {"limit": lambda batch: functools.partial(peer.store, tuples(batch))}
            )
            check_count("rows in SQLite", peer.count(), workload.size.samples)
            yield at_least("storage stage, SQLite", rates["ours"], "samples/s", rates["limit"], 8)
            yield _replayed(workload, ours, rates["ours"], "SQLite")


class IngestMariaDB:
    """Ours against one row for each sample, many in a statement."""

    name = "ingest-mariadb"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload, server = lab.half_day, lab.mariadb
        ours = Store.create(server.create_database())
        with closing(ours), closing(MariaDBRows(server.create_database())) as peer:
            rates = _rates(
                workload, ours, {"limit": lambda batch: functools.partial(peer.store, tuples(batch))}
            )
            check_count("rows in MariaDB", peer.count(), workload.size.samples)
            yield at_least("storage stage, MariaDB", rates["ours"], "samples/s", rates["limit"], 5)
            yield _replayed(workload, ours, rates["ours"], "MariaDB")


def _rates(
    workload: Workload, ours: Store, others: Mapping[str, Callable[[Rows], Callable[[], object]]]
) -> dict[str, float]:
    """Samples a second in the median cycle, every system in its turn; what ours answers then is checked."""
    taken: dict[str, list[float]] = {name: [] for name in ("ours", *others)}
    for poll in range(workload.size.polls):
        at, batch = _cycle(workload, poll)
        ours.make_ahead(at - STEP)
        # What the pipeline and the peers' own clients would have made before is made before.
        acts = {name: prepare(rows(workload, poll, poll + 1)) for name, prepare in others.items()}
        acts["ours"] = functools.partial(ours.store, batch, at)
        for name, times in taken.items():
            with undisturbed():
                times.append(seconds(acts[name]))
    check_count("samples in our store", ours.count(workload), workload.size.samples)
    check(
        "our store",
        answer(ours.cloud_by_project(workload, CPU)),
        by_project(workload, CPU),
        exact=is_exact(CPU),
    )
    cycle = workload.size.instances * len(METERS)
    return {name: cycle / statistics.median(times) for name, times in taken.items()}


def _replayed(workload: Workload, ours: Store, rate: float, server: str) -> Row:
    """The first cycles delivered again: nothing may become new."""
    times = []
    for poll in range(min(REPLAYED, workload.size.polls)):
        at, batch = _cycle(workload, poll)
        with undisturbed():
            times.append(seconds(functools.partial(ours.store, batch, at + DAY)))
    check_count(f"samples after a replay, {server}", ours.count(workload), workload.size.samples)
    return Row(f"the same samples again, {server}", len(batch) / statistics.median(times), "samples/s", rate)


def _cycle(workload: Workload, poll: int) -> tuple[int, SampleBatch]:
    """One poll of the whole cloud, and when it is over."""
    return workload.begin + (poll + 1) * STEP, messages.batch(workload, messages.visits_at(workload, poll))
