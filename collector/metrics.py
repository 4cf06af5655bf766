"""What the collector counts, for `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class CollectorMetrics:
    """The collector's counters; every one is there from the start, so that rates can be taken."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "nephometer_collector_messages", "Messages read", ["origin"], registry=registry
        )
        self.unmapped = Counter(
            "nephometer_collector_notifications_unmapped",
            "Notifications that held no sample",
            registry=registry,
        )
        self.samples = Counter("nephometer_collector_samples", "Samples stored as new", registry=registry)
        self.duplicates = Counter(
            "nephometer_collector_duplicates", "Samples that were stored already", registry=registry
        )
        self.events = Counter("nephometer_collector_events", "Events stored as new", registry=registry)
        self.event_duplicates = Counter(
            "nephometer_collector_event_duplicates", "Events that were stored already", registry=registry
        )
        self.facts = Counter(
            "nephometer_collector_facts", "New facts of the lives of resources", registry=registry
        )
        self.conflicts = Counter(
            "nephometer_collector_conflicts",
            "Samples that were stored already with another value; the first was kept",
            registry=registry,
        )
        self.refused = Counter(
            "nephometer_collector_refused",
            "Messages and samples put into quarantine",
            ["origin"],
            registry=registry,
        )
        self.signatures = Counter(
            "nephometer_collector_signatures",
            "Agents' batches by whether their signature was valid, wrong or missing; 0 without signing_secrets",
            ["verdict"],
            registry=registry,
        )
        self.frames_not_settled = Counter(
            "nephometer_collector_frames_not_settled",
            "Times this program failed on agents' batches taken together; they were read again, each for itself",
            registry=registry,
        )
        self.publish_seconds = Histogram(
            "nephometer_collector_publish_seconds",
            "Time to publish a batch",
            ["publisher"],
            registry=registry,
        )
        self.batch_failures = Counter(
            "nephometer_collector_batch_failures",
            "Attempts at a batch from the bus that failed; it is held and tried again",
            registry=registry,
        )
        self.publish_failures = Counter(
            "nephometer_collector_publish_failures",
            "Batches a publisher did not take",
            ["publisher"],
            registry=registry,
        )
        self.connected = Gauge(
            "nephometer_collector_bus_connected",
            "Whether the broker is connected",
            ["broker"],
            registry=registry,
        )
        self.waiting = Gauge(
            "nephometer_collector_queue_messages",
            "Messages that wait in our queues",
            ["broker", "queue"],
            registry=registry,
        )
        self.unbound_exchanges = Gauge(
            "nephometer_collector_unbound_exchanges",
            "Exchanges notifications cannot be taken from",
            ["broker"],
            registry=registry,
        )
        for verdict in ("valid", "wrong", "missing"):
            self.signatures.labels(verdict)
        for origin in ("notifications", "agent", "api"):
            self.messages.labels(origin)
            self.refused.labels(origin)
