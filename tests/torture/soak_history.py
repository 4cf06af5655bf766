"""What a small cloud sends for days, and what that comes to; numbers alone say so."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storage.sample import Sample

BEGIN = datetime(2026, 1, 5, 17, tzinfo=UTC)  # so that a short soak goes past midnight, too
EVERY = timedelta(minutes=5)
DAY = timedelta(days=1) // EVERY  # polls
HOUR = timedelta(hours=1) // EVERY
NODES = 4
METERS = (
    ("cpu", "cumulative", "ns"),
    ("disk.device.read.bytes", "cumulative", "B"),
    ("network.incoming.bytes", "cumulative", "B"),
    ("memory.usage", "gauge", "B"),
    ("disk.device.usage", "gauge", "B"),
    ("memory.resident", "gauge", "B"),
)

Cell = tuple[str, str, datetime]  # meter, resource, beginning of the hour


@dataclass(slots=True)
class Account:
    """Of every hour of every series what was sent, each sample once: count, least, most, sum."""

    cells: dict[Cell, tuple[int, int, int, int]] = field(default_factory=dict)
    polls: int = 0

    def add(self, samples: list[Sample]) -> None:
        """Takes in samples that were never sent before."""
        for one in samples:
            volume = int(one.volume)
            key = one.meter, one.resource_id, one.timestamp.replace(minute=0, second=0)
            count, least, most, total = self.cells.get(key, (0, volume, volume, 0))
            self.cells[key] = count + 1, min(least, volume), max(most, volume), total + volume
        self.polls += len(samples) // len(METERS)


class Cloud:
    """Sends every poll of a node as one message; some come a day late, some again."""

    def __init__(self, instances: int, seed: int) -> None:
        self._instances = instances
        self._chance = random.Random(seed)
        self._late: list[tuple[int, int, int]] = []  # when, node, poll

    def due(self, poll: int) -> Iterator[tuple[int, int, bool]]:
        """Node, poll, and whether it is new, of the messages that are sent at this poll."""
        for node in range(NODES):
            if self._chance.random() < 0.01:
                self._late.append((poll + DAY // 4 + self._chance.randrange(DAY), node, poll))
            else:
                yield node, poll, True
            if self._chance.random() < 0.02 and poll > DAY:
                again = poll - self._chance.randrange(DAY)
                if all((node, again) != late[1:] for late in self._late):
                    yield node, again, False
        yield from self._overdue(poll)

    def rest(self) -> Iterator[tuple[int, int, bool]]:
        """What never came."""
        yield from self._overdue(10**9)

    def samples(self, node: int, poll: int) -> list[Sample]:
        """What a node saw at a poll."""
        at = BEGIN + poll * EVERY
        return [
            Sample(
                meter,
                "cumulative" if kind == "cumulative" else "gauge",
                unit,
                _volume(instance, place, poll, counts=kind == "cumulative"),
                f"instance-{instance}",
                f"project-{instance % 7}",
                at,
                metadata={"display_name": f"vm-{instance}", "life": poll // (3 * DAY)},
                generation=str(poll // (3 * DAY)) if kind == "cumulative" else None,
            )
            for instance in range(node, self._instances, NODES)
            for place, (meter, kind, unit) in enumerate(METERS)
        ]

    def _overdue(self, until: int) -> Iterator[tuple[int, int, bool]]:
        for late in [late for late in self._late if late[0] <= until]:
            self._late.remove(late)
            yield late[1], late[2], True


def _volume(instance: int, place: int, poll: int, *, counts: bool) -> int:
    noise = (instance * 7919 + place * 104_729 + poll * 31_337) % 99_991
    return (poll % (3 * DAY)) * 10**9 + noise * 1000 if counts else noise << 20
