"""What the agent tells about itself on /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class AgentMetrics:
    """Counters and gauges of polling and of the spool; one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.read_seconds = Histogram(
            "nephometer_agent_read_seconds",
            "Time a source took for one read",
            ["source"],
            registry=registry,
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30),
        )
        self.source_up = Gauge(
            "nephometer_agent_source_up",
            "1 when the last read of a source succeeded",
            ["source"],
            registry=registry,
        )
        self.polls = Counter(
            "nephometer_agent_polls",
            "Polls by pollster and outcome (success, failure)",
            ["pollster", "outcome"],
            registry=registry,
        )
        self.failed_polls = Counter(
            "nephometer_agent_failed_polls", "Polls that failed as a whole", registry=registry
        )
        self.last_success = Gauge(
            "nephometer_agent_last_success_timestamp_seconds",
            "When a pollster last succeeded",
            ["pollster"],
            registry=registry,
        )
        self.samples = Counter(
            "nephometer_agent_samples", "Samples taken, by pollster", ["pollster"], registry=registry
        )
        self.late_seconds = Gauge(
            "nephometer_agent_late_seconds",
            "How late after its time the last poll began",
            registry=registry,
        )
        self.spool_bytes = Gauge(
            "nephometer_agent_spool_bytes", "Bytes waiting for delivery", registry=registry
        )
        self.spool_lost_bytes = Gauge(
            "nephometer_agent_spool_lost_bytes", "Bytes of the spool found damaged", registry=registry
        )
        self.dropped = Counter(
            "nephometer_agent_dropped_samples",
            "Samples given up for want of room (thinned, dropped, memory)",
            ["how"],
            registry=registry,
        )
        self.deliveries = Counter(
            "nephometer_agent_deliveries",
            "Batches handed to the transport, by outcome (delivered, failed)",
            ["outcome"],
            registry=registry,
        )
