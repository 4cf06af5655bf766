"""Alarms and their history as rows, and back."""

import json
from dataclasses import asdict
from typing import Any, TypeAlias

from sqlalchemy import Row

from storage.alarm import Alarm, AlarmChange, Attempt, Condition, Delivery, ThresholdRule, TimeConstraint
from storage.query import EVERYTHING, Scope
from storage.sample import from_microseconds, to_microseconds

# A row of one of the alarms' tables: SQLAlchemy does not know the types of its columns.
AlarmsRow: TypeAlias = Row[*tuple[Any, ...]]

ACTIONS = ("ok_actions", "alarm_actions", "insufficient_data_actions")


def alarm_row(alarm: Alarm) -> dict[str, object]:
    """The columns of an alarm that its owner or an evaluation changes: all but id and lease."""
    definition = {
        "description": alarm.description,
        "rule": asdict(alarm.rule),
        "repeat_actions": alarm.repeat_actions,
        "time_constraints": [asdict(constraint) for constraint in alarm.time_constraints],
        **{name: list(getattr(alarm, name)) for name in ACTIONS},
    }
    return {
        "name": alarm.name,
        "type": alarm.type,
        "meter": alarm.rule.meter_name,
        "project_id": alarm.project_id,
        "user_id": alarm.user_id,
        "scope_project_id": alarm.scope.project_id,
        "enabled": alarm.enabled,
        "severity": alarm.severity,
        "state": alarm.state,
        "state_reason": alarm.state_reason,
        "definition": json.dumps(definition),
        "timestamp": to_microseconds(alarm.timestamp),
        "state_timestamp": to_microseconds(alarm.state_timestamp),
    }


def alarm_of(row: AlarmsRow) -> Alarm:
    """The alarm of a row of `alarm`."""
    definition = json.loads(row.definition)
    rule = definition["rule"]
    evaluated_at = row.evaluated_at
    return Alarm(
        alarm_id=row.alarm_id,
        version=row.version,
        name=row.name,
        type=row.type,
        rule=ThresholdRule(**{**rule, "query": tuple(Condition(**one) for one in rule["query"])}),
        scope=Scope(row.scope_project_id) if row.scope_project_id else EVERYTHING,
        user_id=row.user_id,
        project_id=row.project_id,
        timestamp=from_microseconds(row.timestamp),
        state_timestamp=from_microseconds(row.state_timestamp),
        description=definition["description"],
        enabled=bool(row.enabled),
        state=row.state,
        state_reason=row.state_reason,
        severity=row.severity,
        repeat_actions=definition["repeat_actions"],
        time_constraints=tuple(TimeConstraint(**one) for one in definition["time_constraints"]),
        evaluated_at=None if evaluated_at is None else from_microseconds(evaluated_at),
        **{name: tuple(definition[name]) for name in ACTIONS},
    )


def change_row(change: AlarmChange) -> dict[str, object]:
    """The columns of `alarm_change` for one line of history."""
    return {**asdict(change), "timestamp": to_microseconds(change.timestamp)}


def change_of(row: AlarmsRow) -> AlarmChange:
    """The line of history of a row of `alarm_change`."""
    return AlarmChange(
        event_id=row.event_id,
        alarm_id=row.alarm_id,
        type=row.type,
        detail=row.detail,
        user_id=row.user_id,
        project_id=row.project_id,
        on_behalf_of=row.on_behalf_of,
        timestamp=from_microseconds(row.timestamp),
        severity=row.severity,
    )


def delivery_row(delivery: Delivery) -> dict[str, object]:
    """The columns of `delivery` for one webhook owed."""
    return {
        **asdict(delivery),
        "project_id": delivery.project_id or "",
        "created_at": to_microseconds(delivery.created_at),
        "next_attempt_at": to_microseconds(delivery.next_attempt_at),
    }


def delivery_of(row: AlarmsRow) -> Delivery:
    """The webhook of a row of `delivery`."""
    return Delivery(
        delivery_id=row.delivery_id,
        alarm_id=row.alarm_id,
        project_id=row.project_id or None,
        host=row.host,
        url=row.url,
        body=bytes(row.body),
        created_at=from_microseconds(row.created_at),
        next_attempt_at=from_microseconds(row.next_attempt_at),
        attempts=row.attempts,
        step=row.step,
        state=row.state,
    )


def attempt_of(row: AlarmsRow) -> Attempt:
    """The attempt of a row of `delivery_attempt`."""
    return Attempt(
        delivery_id=row.delivery_id,
        number=row.number,
        at=from_microseconds(row.at),
        status=row.status,
        error=row.error,
        duration_ms=row.duration_ms,
    )
