"""Samples that come when transformers have passed their time: stored as ever, but nothing is derived from them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.pipelines.files import Pipelines
from collector.publishing import Owing
from storage.errors import StorageError
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.ingest.choosing import of_meters, of_rows
from storage.sample import to_microseconds

REMEMBERED = 4_000  # meters, which whoever sends them may call as he likes

log = structlog.get_logger()


class Latecomers:
    """Counts them on the way to `others`; what comes twice counts twice."""

    def __init__(
        self,
        pipelines: Pipelines,
        reached: Callable[[], datetime | None],
        settle: timedelta,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
        *,
        others: Owing | None = None,
    ) -> None:
        """`reached` tells until when samples were transformed; none younger than `settle` are."""
        self._reached, self._settle, self._clock, self._others = reached, settle, clock, others
        self._late = Counter(
            "nephometer_pipeline_samples_late",
            "Samples that came too late to be given to transformers",
            registry=registry,
        )

        def is_transformed(meter: str) -> bool:
            return any(sink.steps for sink in pipelines.sinks_of(meter))

        self._is_transformed = lru_cache(REMEMBERED)(is_transformed)

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Counts, then gives all to the others; raises what they raise."""
        late = self._among(samples)
        if late:
            self._late.inc(late)
        if self._others is not None:
            self._others.keep(samples, events)

    def _among(self, samples: SampleBatch) -> int:
        """Most batches are young, and cost no question to the database."""
        young = to_microseconds(self._clock() - self._settle)
        if not _before(samples, young):
            return 0
        meters = [place for place, meter in enumerate(samples.meters) if self._is_transformed(meter.name)]
        meant = of_meters(samples, meters)
        if not _before(meant, young):
            return 0
        try:
            reached = self._reached()
        except StorageError as error:  # the samples are stored: that matters more than a figure
            log.info("late_samples_not_counted", reason=str(error))
            return 0
        return 0 if reached is None else _before(meant, to_microseconds(reached))


def _before(samples: SampleBatch, moment: int) -> int:
    """How many samples were observed before a time."""
    rows, entries = samples.polled.ts < moment, samples.deltas.ts < moment
    return len(of_rows(samples, rows, entries)) if rows.any() or entries.any() else 0
