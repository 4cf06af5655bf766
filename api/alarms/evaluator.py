"""The loop that watches: leases due alarms, asks the statistics, writes transitions with their webhooks."""

import json
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from api.alarms import constraints, webhook
from api.alarms.decision import Decision, Rule, StatisticsStore
from api.alarms.metrics import AlarmMetrics
from api.alarms.rules.threshold import Threshold
from api.settings import AlarmSettings
from collector.guard import Guard, Words
from storage.alarm import Alarm, AlarmChange, Transition
from storage.alarms import Alarms
from storage.errors import Conflict, DatabaseUnavailable, SchemaMismatch

RULES = (Threshold,)

# Leased in one transaction; what a killed evaluator held waits for one interval.
BATCH = 50
TICK_S = 1.0
WORDS = Words("evaluator_waiting", "evaluator_failed", "evaluator_resumed")

log = structlog.get_logger()


def rules(statistics: StatisticsStore) -> list[Rule]:
    """One of each rule there is."""
    return [kind(statistics) for kind in RULES]


def transition(alarm: Alarm, decision: Decision, now: datetime) -> Transition:
    """What a decision changes: the state with its line of history, if it is a new one, and the webhooks owed."""
    previous = alarm.state
    if decision.state == previous:
        return Transition(alarm, None, webhook.deliveries(alarm, previous, decision, now))
    changed = replace(alarm, state=decision.state, state_reason=decision.reason, state_timestamp=now)
    detail = {"state": decision.state, "transition_reason": decision.reason}
    change = AlarmChange(
        event_id=str(uuid.uuid4()),
        alarm_id=alarm.alarm_id,
        type="state transition",
        detail=json.dumps(detail),
        user_id=None,
        project_id=alarm.project_id,
        on_behalf_of=alarm.project_id,
        timestamp=now,
        severity=alarm.severity,
    )
    return Transition(changed, change, webhook.deliveries(changed, previous, decision, now))


class Evaluator:
    """Evaluates every enabled alarm once an interval, beside any number of others that do the same."""

    def __init__(
        self,
        alarms: Alarms,
        rules: Iterable[Rule],
        settings: AlarmSettings,
        metrics: AlarmMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._alarms = alarms
        self._rules = {rule.type: rule for rule in rules}
        self._interval = timedelta(seconds=settings.interval)
        self._metrics = metrics
        self._clock = clock
        self._guard = Guard(WORDS, metrics.failures.labels(loop="evaluator"))

    def run(self, stop: threading.Event) -> None:
        """Evaluates what is due until `stop` is set."""
        while not stop.is_set():
            self._guard.turn(lambda: self._turn(stop))
            stop.wait(TICK_S)

    def evaluate_due(self, now: datetime, stop: threading.Event | None = None) -> int:
        """Evaluates every alarm that is due at `now`, until `stop` is set; returns how many.

        Raises StorageError when the store is away; alarms leased by then are due again after an interval.
        """
        count = 0
        while leased := self._alarms.lease_due(now, self._interval, BATCH):
            for alarm in leased:
                if stop is not None and stop.is_set():
                    return count
                self._evaluate_one(alarm, now)
                count += 1
        return count

    def _evaluate_one(self, alarm: Alarm, now: datetime) -> None:
        try:
            result = self._evaluate(alarm, now)
        except (DatabaseUnavailable, SchemaMismatch):
            raise
        except Exception:
            log.exception("alarm_evaluation_failed", alarm_id=alarm.alarm_id)
            result = "error"
        self._metrics.evaluations.labels(result=result).inc()

    def _evaluate(self, alarm: Alarm, now: datetime) -> str:
        """One word for what happened, for the metrics."""
        if not constraints.is_within(alarm.time_constraints, now):
            return "outside time constraints"
        decision = self._rules[alarm.type].evaluate(alarm, now)
        if decision is None:
            return "unchanged"
        due = transition(alarm, decision, now)
        if due.change is None and not due.deliveries:
            return "unchanged"
        try:
            self._alarms.record(due)
        except Conflict:  # changed or evaluated by another meanwhile: its word counts
            return "overtaken"
        if due.change is None:
            return "repeated"
        self._metrics.transitions.labels(state=decision.state).inc()
        log.info("alarm_changed", alarm_id=alarm.alarm_id, state=decision.state, reason=decision.reason)
        return "changed"

    def _turn(self, stop: threading.Event) -> None:
        """Evaluates what is due, and tells how much is left. Raises StorageError."""
        now = self._clock()
        self.evaluate_due(now, stop)
        due = self._alarms.oldest_due()
        self._metrics.evaluation_lag.set(0 if due is None else max(0.0, (now - due).total_seconds()))
