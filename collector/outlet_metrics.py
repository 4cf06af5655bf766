"""What outlets count, for `/metrics`; all by the name of the publisher, which holds no secret."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from storage.standings import Standing

BY = ["publisher"]
ERROR_CHARACTERS = 120


class OutletMetrics:
    """Counters of this process, and gauges of the queues, which all processes share."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.delivered = Counter(
            "nephometer_publisher_delivered",
            "Samples and events a publisher delivered",
            [*BY, "kind"],
            registry=registry,
        )
        self.failures = Counter(
            "nephometer_publisher_failures", "Deliveries that will be tried again", BY, registry=registry
        )
        self.refused = Counter(
            "nephometer_publisher_refused",
            "Samples and events the destination refused for good, which were set aside",
            BY,
            registry=registry,
        )
        self.dropped = Counter(
            "nephometer_publisher_dropped",
            "Samples and events dropped because they waited too long or were too many",
            BY,
            registry=registry,
        )
        self._waiting = Gauge(
            "nephometer_publisher_waiting_batches", "Batches that wait", BY, registry=registry
        )
        self._bytes = Gauge(
            "nephometer_publisher_waiting_bytes", "Bytes of the batches that wait", BY, registry=registry
        )
        self._lag = Gauge(
            "nephometer_publisher_lag_seconds", "Age of the oldest batch that waits", BY, registry=registry
        )
        self._aside = Gauge(
            "nephometer_publisher_set_aside", "Samples and events that are set aside", BY, registry=registry
        )
        self._failing = Gauge(
            "nephometer_publisher_failing", "1 while deliveries fail", [*BY, "error"], registry=registry
        )
        self._errors: dict[str, str] = {}

    def begin(self, name: str) -> None:
        """Every counter of an outlet is there from the start, so that rates can be taken."""
        for counter in (self.failures, self.refused, self.dropped):
            counter.labels(name)
        for kind in ("samples", "events"):
            self.delivered.labels(name, kind)

    def look(self, standing: Standing, now: datetime) -> None:
        """Takes over how an outlet fares."""
        name, oldest = standing.name, standing.oldest
        self._waiting.labels(name).set(standing.batches)
        self._bytes.labels(name).set(standing.size)
        self._lag.labels(name).set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        self._aside.labels(name).set(standing.aside)
        error = (standing.error or "")[:ERROR_CHARACTERS]
        said = self._errors.get(name)
        if said is not None and said != error:
            self._failing.remove(name, said)
        self._errors[name] = error
        self._failing.labels(name, error).set(1 if error else 0)
