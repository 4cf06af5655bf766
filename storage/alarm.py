"""Alarms, what became of them, and the webhooks they owe."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.comparison import Comparison
from storage.query import Scope

State = Literal["ok", "alarm", "insufficient data"]
Severity = Literal["low", "moderate", "critical"]
Statistic = Literal["max", "min", "avg", "sum", "count"]
ChangeType = Literal["creation", "rule change", "state transition", "deletion"]
DeliveryState = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule's query, as the API wrote it: `field op value`, `type` may be empty."""

    field: str
    op: str
    value: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """Fires when `statistic` of `meter_name` compares with `threshold` in all of the last periods."""

    meter_name: str
    threshold: float
    query: tuple[Condition, ...] = ()
    period_s: int = 60
    comparison_operator: Comparison = "eq"
    statistic: Statistic = "avg"
    evaluation_periods: int = 1
    exclude_outliers: bool = False


@dataclass(frozen=True, slots=True)
class TimeConstraint:
    """Evaluated only for `duration_s` seconds after `start`, a cron text in `timezone` ("" is UTC)."""

    name: str
    start: str
    duration_s: int
    timezone: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it stands. `version` grows with every change and every lease: all
    changes are compare-and-set on it, so an evaluator that was paused cannot write what it saw long ago.

    `scope` is what its rule may see: the owner's project, or everything for an administrator's alarm.
    """

    alarm_id: str
    name: str
    type: str
    rule: ThresholdRule
    scope: Scope
    user_id: str | None
    project_id: str | None
    timestamp: datetime
    state_timestamp: datetime
    description: str = ""
    enabled: bool = True
    state: State = "insufficient data"
    state_reason: str = "Not evaluated yet"
    severity: Severity = "low"
    repeat_actions: bool = False
    ok_actions: tuple[str, ...] = ()
    alarm_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    time_constraints: tuple[TimeConstraint, ...] = ()
    evaluated_at: datetime | None = None
    version: int = 1

    def actions(self) -> tuple[str, ...]:
        """The URLs to tell about the state the alarm is in."""
        if self.state == "ok":
            return self.ok_actions
        return self.alarm_actions if self.state == "alarm" else self.insufficient_data_actions


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """One line of an alarm's history; `detail` is the JSON text the API answers."""

    event_id: str
    alarm_id: str
    type: ChangeType
    detail: str
    user_id: str | None
    project_id: str | None
    on_behalf_of: str | None
    timestamp: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook owed: `body` goes byte for byte to `url` under `delivery_id` until the receiver takes it.

    `attempts` counts the tries begun, the one under way included; `step` is the place in the back-off
    schedule. `host` is the URL's host and port, and "" for actions that need no network.
    """

    delivery_id: str
    alarm_id: str
    project_id: str | None
    host: str
    url: str
    body: bytes
    created_at: datetime
    next_attempt_at: datetime
    attempts: int = 0
    step: int = 0
    state: DeliveryState = "pending"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: the HTTP `status` if there was one; `error` is "" when it was delivered."""

    delivery_id: str
    number: int
    at: datetime
    status: int | None
    error: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Transition:
    """What an evaluation leads to: all of it is written, or nothing.

    `alarm` is the alarm in its new state with the version that was read; `change` is None when the state
    stayed and only its actions are repeated.
    """

    alarm: Alarm
    change: AlarmChange | None
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms are meant; None means any, and the scope always holds."""

    scope: Scope
    alarm_id: str | None = None
    name: str | None = None
    type: str | None = None
    meter: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    state: str | None = None
    severity: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which lines of an alarm's history (None: of every alarm's) are meant, made by `project_id` or `user_id`.

    `start` and `end` are bounds of the time; `start_open` and `end_closed` as in `SampleQuery`.
    """

    scope: Scope
    alarm_id: str | None
    type: str | None = None
    severity: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    start_open: bool = False
    end_closed: bool = False
