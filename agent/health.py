"""How sources and pollsters fare: counted at every poll, said when it changes."""

from collections.abc import Iterable
from datetime import datetime

import structlog

from agent.metrics import AgentMetrics

log = structlog.get_logger()


class Health:
    """What is up and what is down. `fault` is an exception nobody expected: its traceback is logged."""

    def __init__(self, metrics: AgentMetrics) -> None:
        self._metrics = metrics
        self._down_sources: set[str] = set()
        self._down_pollsters: set[str] = set()

    def source_answered(self, source: str) -> None:
        """It gave a reading in time."""
        self._metrics.source_up.labels(source=source).set(1)
        if source in self._down_sources:
            self._down_sources.discard(source)
            log.info("source_up", source=source)

    def source_failed(
        self, source: str, pollsters: Iterable[str], error: str, fault: Exception | None = None
    ) -> None:
        """It gave nothing, so these pollsters have nothing to work on."""
        self._metrics.source_up.labels(source=source).set(0)
        for pollster in pollsters:
            self._metrics.polls.labels(pollster=pollster, outcome="failure").inc()
        if source not in self._down_sources:
            self._down_sources.add(source)
            log.warning("source_down", source=source, error=error, exc_info=fault)

    def pollster_succeeded(self, pollster: str, samples: int, now: datetime) -> None:
        """It made so many samples."""
        self._metrics.polls.labels(pollster=pollster, outcome="success").inc()
        self._metrics.samples.labels(pollster=pollster).inc(samples)
        self._metrics.last_success.labels(pollster=pollster).set(now.timestamp())
        if pollster in self._down_pollsters:
            self._down_pollsters.discard(pollster)
            log.info("pollster_up", pollster=pollster)

    def pollster_failed(self, pollster: str, fault: Exception) -> None:
        """It could not make sense of its reading."""
        self._metrics.polls.labels(pollster=pollster, outcome="failure").inc()
        if pollster not in self._down_pollsters:
            self._down_pollsters.add(pollster)
            log.error("pollster_down", pollster=pollster, error=repr(fault), exc_info=fault)
