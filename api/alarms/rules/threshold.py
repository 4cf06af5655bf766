"""Alarms on a threshold, as Ceilometer decided them; its texts word for word, because people parse them.

Source: ceilometer/alarm/evaluator/threshold.py of 2015.1.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import fmean, pstdev

from api.alarms.decision import Decision, StatisticsStore
from api.v2 import query as conditions
from storage.alarm import Alarm, State, ThresholdRule
from storage.comparison import COMPARE
from storage.query import StatisticsQuery, StatisticsRow

# What a rule's query may name: the meter is the rule's, the time the evaluation's.
FIELDS = conditions.METER_FIELDS | {"message_id"}

# Readings younger than this may still be on their way.
SETTLE = timedelta(seconds=5)
# More periods than needed are asked for, so that a late one is no gap.
LOOK_BACK = 1


def question(alarm: Alarm, now: datetime) -> StatisticsQuery:
    """What to ask the store: the periods that were over `SETTLE` ago, one more than the rule needs.

    Periods are counted from the alarm's last change, so every evaluation within one asks the same question
    and only closed periods are judged. With `exclude_outliers` twice the periods are asked for.
    """
    rule = alarm.rule
    period = timedelta(seconds=rule.period_s)
    end = alarm.timestamp - SETTLE + (now - alarm.timestamp) // period * period
    look_back = rule.evaluation_periods if rule.exclude_outliers else LOOK_BACK
    samples = replace(
        conditions.question(rule.query, alarm.scope, FIELDS).query,
        meter=rule.meter_name,
        start=end - (rule.evaluation_periods + look_back) * period,
        end=end,
    )
    return StatisticsQuery(samples, period_s=rule.period_s)


def decide(alarm: Alarm, rows: Sequence[StatisticsRow]) -> Decision | None:
    """What the answer to `question` means for the alarm: its state, or None when there is nothing to say.

    Fewer rows than evaluation periods: insufficient data. All of them outside the threshold: alarm; none: ok.
    Mixed rows keep a known state, and an unknown one follows the newest row. Unless actions repeat, an
    unchanged state is nothing to say.
    """
    rule = alarm.rule
    values = _values(rule, rows)
    if len(values) < rule.evaluation_periods:
        return _unknown(rule, values) if alarm.state != "insufficient data" else None
    is_outside = [COMPARE[rule.comparison_operator](value, rule.threshold) for value in values]
    state = _state(alarm, is_outside)
    if state == alarm.state and not alarm.repeat_actions:
        return None
    disposition = "inside" if state == "ok" else "outside"
    verb = f"Remaining as {state}" if state == alarm.state else f"Transition to {state}"
    reason = f"{verb} due to {len(values)} samples {disposition} threshold, most recent: {values[-1]}"
    return Decision(state, reason, _data(disposition, len(values), values[-1]))


def _state(alarm: Alarm, is_outside: Sequence[bool]) -> State:
    if all(is_outside):
        return "alarm"
    if not any(is_outside):
        return "ok"
    if alarm.state != "insufficient data":
        return alarm.state
    return "alarm" if is_outside[-1] else "ok"


def _unknown(rule: ThresholdRule, values: Sequence[float]) -> Decision:
    reason = f"{rule.evaluation_periods} datapoints are unknown"
    data = _data("unknown", rule.evaluation_periods, values[-1] if values else None)
    return Decision("insufficient data", reason, data)


def _data(disposition: str, count: int, most_recent: float | None) -> dict[str, object]:
    return {"type": "threshold", "disposition": disposition, "count": count, "most_recent": most_recent}


def _values(rule: ThresholdRule, rows: Sequence[StatisticsRow]) -> list[float]:
    """The statistic of the last periods, oldest first; of the newest row's unit when a meter has several."""
    rows = [row for row in rows if row.unit == rows[-1].unit]
    if rule.exclude_outliers:
        rows = _without_outliers(rows)
    values = [_value(rule, row) for row in rows]
    return [value for value in values if math.isfinite(value)][-rule.evaluation_periods :]


def _value(rule: ThresholdRule, row: StatisticsRow) -> float:
    """A float as the v2 API answers it, so that texts read the same; a count is an integer."""
    if rule.statistic == "count":
        return row.count
    return float({"max": row.maximum, "min": row.minimum, "sum": row.total, "avg": row.mean}[rule.statistic])


def _without_outliers(rows: list[StatisticsRow]) -> list[StatisticsRow]:
    """The periods whose number of samples lies within two standard deviations of the mean."""
    if not rows:
        return rows
    counts = [row.count for row in rows]
    mean, spread = fmean(counts), 2 * pstdev(counts)
    return [row for row in rows if mean - spread <= row.count <= mean + spread]


class Threshold:
    """The rule of type `threshold`: asks the same statistics as the API does."""

    type = "threshold"

    def __init__(self, statistics: StatisticsStore) -> None:
        self._statistics = statistics

    def evaluate(self, alarm: Alarm, now: datetime) -> Decision | None:
        """The alarm's state by what the store holds; raises DatabaseUnavailable."""
        return decide(alarm, self._statistics.compute(question(alarm, now)))
