"""Where samples and events go. The database comes first: what it has not taken is not acknowledged.

All others (`collector.publishers.publisher`) are handed batches later, from queues in the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Refused, Sample


@dataclass(frozen=True, slots=True)
class Rejected:
    """A sample or event the destination can never take: its place in the batch, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of samples: all are kept but those `rejected`, and those before `kept_from`, which are `too_old`.

    `rejected` are in their order. `kept_from` is in microseconds since 1970 UTC, None when nothing was too old; what
    was, is in quarantine.
    """

    rejected: Sequence[Rejected] = ()
    too_old: Sequence[Refused] = ()
    kept_from: int | None = None


class Keeper(Protocol):
    """The first of the destinations, which decides whether anything is safe."""

    @property
    def name(self) -> str:
        """Its name in logs and metrics."""
        ...

    def publish(self, samples: Sequence[Sample], refused: Sequence[Refused], received_at: datetime) -> Taken:
        """Take a batch, all but what it can never take.

        Raises PublisherUnavailable when the batch must be tried again.
        """
        ...

    def publish_events(self, events: Sequence[Event], received_at: datetime) -> list[Rejected]:
        """Take events; returns those it can never take, in their order, having taken all others.

        Raises PublisherUnavailable when all of them must be tried again.
        """
        ...

    def publish_batch(
        self, batch: SampleBatch, refused: Sequence[Refused], received_at: datetime
    ) -> Taken | None:
        """Take a batch as columns; None when it can not be taken as it is, and then nothing of it was taken.

        Raises PublisherUnavailable when the batch must be tried again.
        """
        ...
