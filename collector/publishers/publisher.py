"""What every publisher is: another system that samples and events are handed to."""

from collections.abc import Sequence
from typing import Protocol

from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.outgoing import Kind

EVERYTHING: frozenset[Kind] = frozenset({"samples", "events"})
SAMPLES: frozenset[Kind] = frozenset({"samples"})


class Publisher(Protocol):
    """Another system that is given batches, which wait in a queue (`collector.outlets`) until it took them."""

    @property
    def name(self) -> str:
        """Its URL without anything secret: what people see, and what its queue is known by."""
        ...

    @property
    def takes(self) -> frozenset[Kind]:
        """What it can be given."""
        ...

    def publish(self, samples: SampleBatch, events: Sequence[Event], /) -> None:
        """Returns when the destination has all of it. What was published before may come again.

        Raises PublisherUnavailable when it must be tried again, BatchRefused when that can not help.
        """
        ...

    def close(self) -> None:
        """Ends what connections there are; `publish` would open others."""
        ...
