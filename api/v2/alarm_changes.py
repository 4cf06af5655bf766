"""What a caller's alarm becomes: checked, owned, described, and with its line of history."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from api.alarms import constraints
from api.alarms.address import LOCAL_SCHEMES, NETWORK_SCHEMES, Refused, check_action
from api.alarms.rules.threshold import FIELDS
from api.auth import Identity
from api.errors import ApiError, BadRequest, InvalidInput, NotAuthorized
from api.v2.alarm_schemas import AlarmAnswer, AlarmBody
from api.v2.query import question
from storage.alarm import Alarm, AlarmChange, ChangeType, Condition, State, ThresholdRule, TimeConstraint
from storage.query import EVERYTHING, Scope

STATES: tuple[State, ...] = ("ok", "alarm", "insufficient data")
BY_HAND = "Manually set via API"
# What every change touches, so nobody looks for it in the history.
UNTOLD = ("timestamp", "state_timestamp", "state_reason", "evaluate_timestamp")


def created(body: AlarmBody, identity: Identity, now: datetime, max_actions: int) -> Alarm:
    """The new alarm; raises BadRequest, or NotAuthorized for an owner that is not the caller.

    What its rule sees: the caller's project; for an administrator the named project, or else everything.
    """
    if not identity.is_admin:
        _check_owner("project", body.project_id, identity.project_id)
        _check_owner("user", body.user_id, identity.user_id)
    if identity.is_admin:
        scope = Scope(body.project_id) if body.project_id else EVERYTHING
    else:
        scope = Scope(identity.project_id or "")
    alarm = Alarm(
        alarm_id=str(uuid.uuid4()),
        name=body.name,
        type=body.type,
        rule=_rule(body, scope),
        scope=scope,
        user_id=body.user_id or identity.user_id,
        project_id=body.project_id or identity.project_id,
        timestamp=now,
        state_timestamp=now,
        state=body.state or "insufficient data",
    )
    return _filled(alarm, body, max_actions)


def updated(alarm: Alarm, body: AlarmBody, identity: Identity, now: datetime, max_actions: int) -> Alarm:
    """The alarm as the caller wants it, still of the version that was read; raises as `created` does.

    The owner stays, unless an administrator names another; what others of the project write sees their
    project only, whoever made the alarm.
    """
    project_id, user_id = body.project_id or alarm.project_id, body.user_id or alarm.user_id
    if identity.is_admin:
        scope = alarm.scope if project_id == alarm.project_id else Scope(project_id or "")
    else:
        _check_owner("project", body.project_id, identity.project_id)
        if user_id != alarm.user_id:
            _check_owner("user", body.user_id, identity.user_id)
        scope = Scope(identity.project_id or "")
    changed = replace(
        alarm,
        name=body.name,
        type=body.type,
        rule=_rule(body, scope),
        scope=scope,
        user_id=user_id,
        project_id=project_id,
        timestamp=now,
    )
    if body.state is not None and body.state != alarm.state:
        changed = in_state(changed, body.state, now)
    return _filled(changed, body, max_actions)


def in_state(alarm: Alarm, state: object, now: datetime) -> Alarm:
    """The alarm in a state set by hand; raises BadRequest for a word that is no state."""
    for known in STATES:
        if state == known:
            return replace(alarm, state=known, state_timestamp=now, state_reason=BY_HAND)
    raise BadRequest("state invalid")


def change(alarm: Alarm, kind: ChangeType, detail: object, identity: Identity, now: datetime) -> AlarmChange:
    """The line of history of something the caller did."""
    return AlarmChange(
        event_id=str(uuid.uuid4()),
        alarm_id=alarm.alarm_id,
        type=kind,
        detail=json.dumps(detail),
        user_id=identity.user_id,
        project_id=identity.project_id,
        on_behalf_of=alarm.project_id,
        timestamp=now,
        severity=alarm.severity,
    )


def whole(alarm: Alarm) -> dict[str, object]:
    """An alarm as its history tells it: as the API does, but its rule is called `rule`."""
    shown = AlarmAnswer.of(alarm).model_dump()
    shown["rule"] = shown.pop(f"{alarm.type}_rule")
    return shown


def difference(before: Alarm, after: Alarm) -> dict[str, object]:
    """What an update changed, with the new values."""
    old, new = whole(before), whole(after)
    return {key: value for key, value in new.items() if value != old[key] and key not in UNTOLD}


def _check_owner(aspect: Literal["project", "user"], asked: str | None, own: str | None) -> None:
    if asked is None or asked == own:
        return
    if aspect == "project":
        raise NotAuthorized(asked)
    raise ApiError(401, f"Not Authorized to access {aspect} {asked}")


def _rule(body: AlarmBody, scope: Scope) -> ThresholdRule:
    """The checked rule, its query narrowed to the project of the scope where that is one."""
    if body.threshold_rule is None:
        raise BadRequest("threshold_rule must be set for threshold type alarm")
    rule = body.threshold_rule.rule()
    if any(condition.field == "timestamp" for condition in rule.query):
        raise InvalidInput("timestamp", "timestamp", "not valid for this resource")
    asked = question(rule.query, scope, FIELDS)
    if asked.query.start is not None:
        raise BadRequest("Two conditions of the rule's query can never both hold")
    if scope.everything or asked.query.project_id:
        return rule
    return replace(rule, query=(*rule.query, Condition("project_id", "eq", scope.project_id)))


def _filled(alarm: Alarm, body: AlarmBody, max_actions: int) -> Alarm:
    rule = alarm.rule
    default = (
        f"Alarm when {rule.meter_name} is {rule.comparison_operator} a {rule.statistic} of {rule.threshold}"
        f" over {rule.period_s} seconds"
    )
    return replace(
        alarm,
        description=default if body.description is None else body.description,
        enabled=body.enabled,
        severity=body.severity,
        repeat_actions=body.repeat_actions,
        ok_actions=_actions("ok_actions", body.ok_actions, max_actions),
        alarm_actions=_actions("alarm_actions", body.alarm_actions, max_actions),
        insufficient_data_actions=_actions(
            "insufficient_data_actions", body.insufficient_data_actions, max_actions
        ),
        time_constraints=_constraints(body),
    )


def _actions(name: str, urls: Sequence[str] | None, max_actions: int) -> tuple[str, ...]:
    """The action URLs, each once."""
    unique = tuple(dict.fromkeys(urls or ()))
    if len(unique) > max_actions:
        raise BadRequest(f"{name} count exceeds maximum value {max_actions}")
    for url in unique:
        scheme, colon, _ = url.partition(":")
        if not colon or scheme.lower() not in NETWORK_SCHEMES + LOCAL_SCHEMES:
            raise BadRequest(f"Unsupported action {url[:200]}")
        try:
            check_action(url)
        except Refused as error:
            raise BadRequest(f"Unsupported action {url[:200]}: {error}") from error
    return unique


def _constraints(body: AlarmBody) -> tuple[TimeConstraint, ...]:
    result = tuple(one.constraint() for one in body.time_constraints or ())
    if len({one.name for one in result}) < len(result):
        raise BadRequest("Time constraint names must be unique for a given alarm.")
    for constraint in result:
        try:
            constraints.check(constraint)
        except ValueError as error:
            raise InvalidInput("time_constraints", constraint.name, str(error)) from error
    return result
