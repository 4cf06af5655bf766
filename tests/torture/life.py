"""The life of a small store: what it is told day by day, in which maintenance is due twice a day.

Readings come late, twice, and again with another volume; some are older than the retention. The same seed makes the
same life. Volumes of floats are quarters, so that their sums are exact.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from storage.sample import Sample, make_id
from storage.settings import MaintenanceSettings, RetentionSettings

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF_DAY = 12 * HOUR
POLLS = (HOUR / 2, 9.9 * HOUR)  # of a half day
RESOURCES = 3
ANCIENT = timedelta(days=4)
LATE_MAX = 3  # half days
MAINTENANCE = MaintenanceSettings(late_wait_s=0)
RETENTION = RetentionSettings(raw="2d")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An agent's batch; `ancient` ones are older than the retention and must end in quarantine."""

    at: datetime
    samples: tuple[Sample, ...]
    ancient: bool = False


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Maintenance at this time, until nothing is left to do."""

    at: datetime


Life = Sequence[Delivery | Upkeep]


def life(days: int, seed: int) -> Life:
    """What happens, in order."""
    chance = random.Random(seed)
    counters = [chance.randrange(10**9) for _ in range(RESOURCES)]
    kept_back: list[list[Sample]] = [[] for _ in range(2 * days + LATE_MAX + 1)]
    told: list[list[Sample]] = []
    found: list[Delivery | Upkeep] = []
    for half in range(2 * days):
        start = BEGIN + half * HALF_DAY
        end = start + HALF_DAY
        fresh = [one for poll in POLLS for one in _poll(chance, counters, start + poll)]
        for one in [one for one in fresh if chance.random() < 0.15]:
            fresh.remove(one)
            kept_back[half + chance.randint(1, LATE_MAX)].append(one)
        again = [one for some in told[-LATE_MAX:] for one in some if chance.random() < 0.05]
        again = [replace(one, volume=chance.choice([one.volume, type(one.volume)(7)])) for one in again]
        told.append(fresh)
        found.append(Delivery(end, tuple(fresh)))
        found.append(Delivery(end + HOUR / 4, (*kept_back[half], *again)))
        if end - ANCIENT > BEGIN:
            old = replace(fresh[0], resource_id="ancient", timestamp=end - ANCIENT)
            found.append(Delivery(end + HOUR / 3, (old,), ancient=True))
        found.append(Upkeep(end + HOUR))
    return found


def event_of(delivery: Delivery) -> dict[str, object]:
    """The notification that comes with each delivery: one event, as Ceilometer publishes it."""
    sent = {"message_id": str(delivery.at), "event_type": "a", "generated": str(delivery.at), "traits": []}
    return {"event_type": "event", "payload": [sent]}


def _poll(chance: random.Random, counters: list[int], at: datetime) -> list[Sample]:
    found = []
    for number in range(RESOURCES):
        counters[number] = 0 if chance.random() < 0.05 else counters[number] + chance.randrange(10**12)
        moment = at + timedelta(microseconds=chance.randrange(10**6))
        flavour = chance.choice(["m1", "m2"])
        gauge = Sample(
            "memory",
            "gauge",
            "B",
            chance.randrange(-(2**62), 2**62),
            f"instance-{number}",
            f"project-{number % 2}" if number else None,
            moment,
            user_id=f"user-{number % 3}",
            metadata={"instance_type": flavour},
        )
        found += [
            gauge,
            replace(gauge, meter="load", unit="1", volume=chance.randrange(400) / 4),
            replace(gauge, meter="cpu", unit="ns", type="cumulative", volume=counters[number]),
        ]
        if chance.random() < 0.2:
            identity = make_id("torture", str(number), str(moment))
            found.append(replace(gauge, meter="image", unit="B", type="delta", volume=3, id=identity))
    return found
