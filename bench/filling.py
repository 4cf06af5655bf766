"""A store filled as life would fill it: cycle after cycle, some of them twice, with its upkeep every hour."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bench.measure import Cpu
from bench.messages import Visit, batch, visits_at
from bench.oracle import check_count
from bench.product import Store
from bench.workload import METERS, POLLS_A_DAY, POLLS_AN_HOUR, SECOND, STEP, Workload

TRANSACTION = 10_000  # samples: what a collector gathers
AGAIN = 25  # every so many polls, the last transaction of an hour is delivered again


@dataclass(frozen=True, slots=True)
class Filling:
    """A filled store and what it cost: processor seconds of this process and the server."""

    url: str
    samples: int
    ingest_cpu_s: float
    upkeep_cpu_s: float


def fill(
    url: str,
    workload: Workload,
    say: Callable[[str], None],
    *,
    server_pid: int | None = None,
    withheld: Collection[Visit] = frozenset(),
) -> Filling:
    """An empty database with this workload, but without the visits withheld."""
    store = Store.create(url)
    ingest, upkeep = Cpu(server_pid), Cpu(server_pid)
    store.maintain(workload.begin)
    for first in range(0, workload.size.polls, POLLS_AN_HOUR):
        last = min(first + POLLS_AN_HOUR, workload.size.polls)
        now = workload.begin + last * STEP
        for polls in transactions(workload, first, last):
            some = batch(workload, [visit for visit in visits_in(workload, polls) if visit not in withheld])
            with ingest:
                store.store(some, workload.begin + polls.stop * STEP)
        if first % AGAIN < POLLS_AN_HOUR:
            with ingest:
                check_count("new samples of those delivered again", store.store(some, now + SECOND), 0)
        with upkeep:
            store.maintain(now)
        if last % POLLS_A_DAY == 0:
            say(f"filling our store: {last // POLLS_A_DAY} of {workload.size.polls // POLLS_A_DAY} days")
    samples = workload.size.samples - len(withheld) * len(METERS)
    check_count("samples in the store", store.count(workload), samples)
    store.close()
    return Filling(store.url, samples, ingest.total_s, upkeep.total_s)


def transactions(workload: Workload, first: int, last: int) -> Iterator[range]:
    """The polls from `first` to before `last`, as many together as a collector stores in a transaction."""
    polls = max(1, TRANSACTION // (workload.size.instances * len(METERS)))
    for start in range(first, last, polls):
        yield range(start, min(start + polls, last))


def visits_in(workload: Workload, polls: range) -> list[Visit]:
    """All visits of these polls, in the order they arrive."""
    return [visit for poll in polls for visit in visits_at(workload, poll)]
