from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class AlarmMetrics:
    """What the evaluator and the delivery count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.evaluations = Counter(
            "nephometer_alarm_evaluations", "Alarms evaluated, by result.", ["result"], registry=registry
        )
        self.transitions = Counter(
            "nephometer_alarm_transitions", "Changes of an alarm's state.", ["state"], registry=registry
        )
        self.evaluation_lag = Gauge(
            "nephometer_alarm_evaluation_lag_seconds",
            "How long the longest waiting alarm has been due.",
            registry=registry,
        )
        self.attempts = Counter(
            "nephometer_webhook_attempts",
            "Attempts to deliver webhooks, by result.",
            ["result"],
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "nephometer_webhook_attempt_seconds", "How long attempts to deliver took.", registry=registry
        )
        self.delivery_lag = Gauge(
            "nephometer_webhook_lag_seconds",
            "How long the longest waiting webhook has been due.",
            registry=registry,
        )
        self.failures = Counter(
            "nephometer_alarm_failures",
            "Turns of the evaluator and of the delivery of webhooks that failed as a whole.",
            ["loop"],
            registry=registry,
        )
