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


class Filler:
    """Fills a store, and counts the processor seconds of this process and of `server_pid`; closes it then."""

    def __init__(
        self, store: Store, upkeep_hours: int, say: Callable[[str], None], server_pid: int | None
    ) -> None:
        self._store, self._say = store, say
        self._polls = upkeep_hours * POLLS_AN_HOUR  # between two upkeeps
        self._ingest, self._upkeep = Cpu(server_pid), Cpu(server_pid)

    def fill(self, workload: Workload, withheld: Collection[Visit]) -> Filling:
        """Everything of the workload but the visits withheld."""
        store = self._store
        store.maintain(workload.begin)
        for first in range(0, workload.size.polls, self._polls):
            last = min(first + self._polls, workload.size.polls)
            self._take(workload, range(first, last), withheld)
            with self._upkeep:
                store.maintain(workload.begin + last * STEP)
            if last % POLLS_A_DAY == 0:
                self._say(f"filled {last // POLLS_A_DAY} of {workload.size.polls // POLLS_A_DAY} days")
        with self._upkeep:
            store.maintain_by_hand(workload.end)
        samples = workload.size.samples - len(withheld) * len(METERS)
        check_count("samples in the store", store.count(workload), samples)
        store.close()
        return Filling(store.url, samples, self._ingest.total_s, self._upkeep.total_s)

    def _take(self, workload: Workload, polls: range, withheld: Collection[Visit]) -> None:
        for some in transactions(workload, polls.start, polls.stop):
            visits = [visit for visit in visits_in(workload, some) if visit not in withheld]
            samples, now = batch(workload, visits), workload.begin + some.stop * STEP
            with self._ingest:
                self._store.store(samples, now)
        if polls.start % AGAIN < POLLS_AN_HOUR:
            with self._ingest:
                again = self._store.store(samples, now + SECOND)
            check_count("new samples of those delivered again", again, 0)


def transactions(workload: Workload, first: int, last: int) -> Iterator[range]:
    """The polls from `first` to before `last`, as many together as a collector stores in a transaction."""
    polls = max(1, TRANSACTION // (workload.size.instances * len(METERS)))
    for start in range(first, last, polls):
        yield range(start, min(start + polls, last))


def visits_in(workload: Workload, polls: range) -> list[Visit]:
    """All visits of these polls, in the order they arrive."""
    return [visit for poll in polls for visit in visits_at(workload, poll)]
