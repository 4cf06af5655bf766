"""Alarms for tests: say only what the test is about."""

import uuid
from dataclasses import replace
from typing import Any

from storage.alarm import Alarm, AlarmChange, ChangeType, Delivery, ThresholdRule
from storage.query import Scope
from tests.factories import NOW

RULE = ThresholdRule("cpu_util", 80.0, period_s=60, comparison_operator="gt", evaluation_periods=1)
ALARM = Alarm(
    alarm_id="alarm-1",
    name="hot",
    type="threshold",
    rule=RULE,
    scope=Scope("project-a"),
    user_id="user-1",
    project_id="project-a",
    timestamp=NOW,
    state_timestamp=NOW,
    description="too hot",
    alarm_actions=("http://receiver.example/alarm",),
)


def alarm(*, rule: dict[str, Any] | None = None, **changes: Any) -> Alarm:  # Any: the fields of an alarm
    """An alarm with changes to it and to its rule, under a name of its own."""
    named = {"alarm_id": str(uuid.uuid4())} | changes
    return replace(ALARM, **named, rule=replace(RULE, **(rule or {})))


def change(alarm: Alarm, kind: ChangeType = "creation", **changes: Any) -> AlarmChange:  # Any: as above
    """A line of an alarm's history."""
    line = AlarmChange(
        event_id=str(uuid.uuid4()),
        alarm_id=alarm.alarm_id,
        type=kind,
        detail="{}",
        user_id=alarm.user_id,
        project_id=alarm.project_id,
        on_behalf_of=alarm.project_id,
        timestamp=NOW,
        severity=alarm.severity,
    )
    return replace(line, **changes)


def delivery(**changes: Any) -> Delivery:  # Any: as above
    """A delivery that is due, under an id of its own."""
    owed = Delivery(
        delivery_id=f"msg_{uuid.uuid4().hex}",
        alarm_id="alarm-1",
        project_id="project-a",
        host="receiver.example",
        url="http://receiver.example/alarm",
        body=b'{"alarm_name": "hot"}',
        created_at=NOW,
        next_attempt_at=NOW,
    )
    return replace(owed, **changes)
