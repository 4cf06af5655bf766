"""A random history, told to a store in any order and sealed in any steps; and what it must answer."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

from storage.database import Database
from storage.sample import Sample, make_id
from storage.samples import Samples
from storage.tiles.compact import Compactor
from storage.tiles.kept_days import KeptDays
from storage.tiles.kept_rows import KeptRows
from storage.tiles.reseal import Resealer
from storage.tiles.seal import Sealer
from tests.factories import NOW, sample

HOUR = timedelta(hours=1)


def history(seed: int, *, hours: int = 60, resources: int = 6, every_s: int = 1200) -> list[Sample]:
    """Readings of some projects' resources; counters restart, flavours change, polls are missed."""
    chance = random.Random(seed)
    found: list[Sample] = []
    offset = timedelta(0)
    for number in range(resources):
        counter, generation, flavour = chance.randrange(10**9), 0, "m1"
        if number % 3 == 0:  # the next node, whose resources are polled together
            offset = timedelta(seconds=chance.randrange(every_s), microseconds=chance.randrange(3))
        for poll in range(hours * 3600 // every_s):
            if chance.random() < 0.03:
                counter, generation = 0, generation + 1
            if chance.random() < 0.01:
                flavour = chance.choice(["m1", "m2"])
            counter += chance.randrange(10**12)
            common = sample(
                resource_id=f"instance-{number}",
                project_id=f"project-{number % 2}" if number else None,
                user_id=f"user-{number % 3}",
                timestamp=NOW - hours * HOUR + offset + poll * timedelta(seconds=every_s),
                metadata={"instance_type": flavour},
                generation=str(generation),
                volume=counter,
            )
            found += _readings(chance, common, f"{seed}-{number}-{poll}")
    return found


def _readings(chance: random.Random, cpu: Sample, name: str) -> list[Sample]:
    gauge = replace(cpu, type="gauge", generation=None)
    odd: int | float = chance.choice([chance.randrange(100), chance.uniform(0, 100)])
    found = [
        cpu,
        replace(gauge, meter="memory.usage", unit="MB", volume=chance.randrange(2**62)),
        replace(gauge, meter="cpu_util", unit="%", volume=round(chance.uniform(0, 100), 2)),
        replace(gauge, meter="odd", unit="1", volume=odd),
    ]
    kept = [one for one in found if chance.random() > 0.1]
    if chance.random() < 0.05:
        identity = make_id("layers", name)
        kept.append(replace(gauge, meter="image.download", type="delta", unit="B", volume=3, id=identity))
    return kept


class Maintained:
    """A store whose maintenance is done by hand; it may keep the rows it stores until it seals them, as a collector."""

    def __init__(self, database: Database, *, keeps: bool = False) -> None:
        kept_rows, kept_days = KeptRows() if keeps else None, KeptDays()
        self.samples = Samples(database, kept_rows)
        self.sealer = Sealer(database, grace=timedelta(minutes=10), kept_rows=kept_rows, kept_days=kept_days)
        self.resealer = Resealer(database, wait=timedelta(0))
        self.compactor = Compactor(database, kept_days)
        self.arrivals: Iterator[int] = count(1)

    def store(self, samples: list[Sample]) -> None:
        """One batch, that came a millisecond after the one before."""
        self.samples.store(samples, received_at=NOW + next(self.arrivals) * timedelta(milliseconds=1))

    def seal(self, until: timedelta = timedelta(0)) -> int:
        """Closes and seals the hours that ended before NOW + until; how many."""
        self.sealer.close(NOW + until)
        hours = 0
        while sealed := self.sealer.step():
            hours += sealed.hours
        return hours

    def reseal(self) -> int:
        """Merges everything that is late and can be merged; how many days of groups."""
        return _all(lambda: self.resealer.step(NOW + timedelta(days=99)))

    def compact(self) -> int:
        """Compacts every day that is over; how many steps it took."""
        return _all(self.compactor.step)


def told(
    database: Database, chance: random.Random, samples: list[Sample], *, keeps: bool = False
) -> Maintained:
    """The store after it was told these samples in some order, and maintained in between.

    Some come twice, some again with another volume: the first one counts.
    """
    store = Maintained(database, keeps=keeps)
    for _ in telling(chance, store, samples):
        pass
    return store


def telling(chance: random.Random, store: Maintained, samples: list[Sample]) -> Iterator[None]:
    """Stores them in the same way; comes back after each piece of work."""
    for batch in batches(chance, samples):
        store.store(batch)
        for work in chance.choices(("nothing", "seal", "reseal", "compact"), k=2):
            if work == "seal":
                store.seal(timedelta(hours=-chance.randrange(60)))
            elif work != "nothing":
                getattr(store, work)()
            yield


def batches(chance: random.Random, samples: list[Sample]) -> list[list[Sample]]:
    """The samples in batches, late and repeated ones among them; the same for the same state of `chance`."""
    late = set(chance.sample(range(len(samples)), len(samples) // 4))
    order = [one for number, one in enumerate(samples) if number not in late]
    order.sort(key=lambda one: one.timestamp)
    size = len(samples) // 12 + 1
    found = [order[start : start + size] for start in range(0, len(order), size)]
    for number in late:
        found[chance.randrange(len(found))].append(samples[number])
    for one in chance.sample(samples, len(samples) // 10):
        found[-1 - chance.randrange(3)].append(replace(one, volume=chance.choice([one.volume, 7])))
    return found


def _all(step: Callable[[], object]) -> int:
    count = 0
    while step() is not None:
        count += 1
    return count
