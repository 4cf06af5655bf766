"""/v2/alarms: alarms with threshold rules, their states and their history."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api import errors
from api.dependencies import Body, Caller, InScope, Parts, Services, base_url
from api.errors import NotFound
from api.policy import may
from api.v2 import alarm_changes, alarm_filters, answer
from api.v2.alarm_schemas import AlarmAnswer, ChangeAnswer, read_alarm
from api.v2.arguments import Asked, json_value
from api.v2.parameters import described
from storage.alarm import Alarm
from storage.errors import Conflict
from storage.query import Scope

router = APIRouter(tags=["alarms"])

# Evaluations change an alarm's version too, so an update reads it again some times before it gives up.
TRIES: Final = 5
WITH_BODY: Final = {"requestBody": {"content": {"application/json": {}}, "required": True}}


@router.get(
    "/v2/alarms",
    dependencies=[may("telemetry:get_alarms")],
    responses={200: {"model": list[AlarmAnswer]}},
    openapi_extra=described("q", "limit"),
)
def list_alarms(asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Alarms that match, the latest changed first."""
    asked.check_names("q", "limit")
    wanted = alarm_filters.alarm_filter(asked.conditions, scope)
    limit = _limit(asked.integer("limit"), parts)
    found = parts.alarms.find(wanted, limit) if wanted else []
    return answer.rows([AlarmAnswer.of(alarm) for alarm in found])


@router.post(
    "/v2/alarms",
    status_code=201,
    dependencies=[may("telemetry:create_alarm")],
    responses={201: {"model": AlarmAnswer}},
    openapi_extra=WITH_BODY,
)
def create_alarm(
    request: Request, asked: Asked, content: Body, caller: Caller, _: InScope, parts: Parts
) -> Response:
    """A new alarm of the caller's project."""
    asked.check_names()
    now = datetime.now(UTC)
    body = read_alarm(json_value(content))
    alarm = alarm_changes.created(body, caller, now, parts.alarm_settings.max_actions)
    detail = alarm_changes.whole(alarm)
    parts.alarms.create(alarm, alarm_changes.change(alarm, "creation", detail, caller, now))
    location = f"{base_url(request, parts.settings)}/v2/alarms/{alarm.alarm_id}"
    return JSONResponse(AlarmAnswer.of(alarm).model_dump(), 201, {"Location": location})


@router.get(
    "/v2/alarms/{alarm_id}",
    dependencies=[may("telemetry:get_alarm")],
    responses={200: {"model": AlarmAnswer}},
)
def get_alarm(alarm_id: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """One alarm."""
    asked.check_names()
    return answer.one(AlarmAnswer.of(_get(parts, scope, alarm_id)))


@router.put(
    "/v2/alarms/{alarm_id}",
    dependencies=[may("telemetry:change_alarm")],
    responses={200: {"model": AlarmAnswer}},
    openapi_extra=WITH_BODY,
)
def update_alarm(
    alarm_id: str, asked: Asked, content: Body, caller: Caller, scope: InScope, parts: Parts
) -> Response:
    """Replaces an alarm by the whole object, as clients read it; what only the server decides is ignored."""
    asked.check_names()
    body = read_alarm(json_value(content))

    def attempt() -> Alarm:
        now = datetime.now(UTC)
        before = _get(parts, scope, alarm_id)
        after = alarm_changes.updated(before, body, caller, now, parts.alarm_settings.max_actions)
        detail = alarm_changes.difference(before, after)
        if not detail and after.scope == before.scope:  # nothing to tell, as in Aodh
            return before
        return parts.alarms.update(after, alarm_changes.change(after, "rule change", detail, caller, now))

    return answer.one(AlarmAnswer.of(_repeat(attempt, alarm_id)))


@router.delete("/v2/alarms/{alarm_id}", status_code=204, dependencies=[may("telemetry:delete_alarm")])
def delete_alarm(alarm_id: str, asked: Asked, caller: Caller, scope: InScope, parts: Parts) -> Response:
    """Deletes an alarm; its history can still be read."""
    asked.check_names()

    def attempt() -> Alarm:
        alarm = _get(parts, scope, alarm_id)
        detail = alarm_changes.whole(alarm)
        now = datetime.now(UTC)
        parts.alarms.delete(alarm, alarm_changes.change(alarm, "deletion", detail, caller, now))
        return alarm

    _repeat(attempt, alarm_id)
    return Response(status_code=204)


@router.get(
    "/v2/alarms/{alarm_id}/history",
    dependencies=[may("telemetry:alarm_history")],
    responses={200: {"model": list[ChangeAnswer]}},
    openapi_extra=described("q", "limit"),
)
def get_history(alarm_id: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """What became of an alarm, newest first; of a deleted one too."""
    asked.check_names("q", "limit")
    wanted = alarm_filters.history_filter(asked.conditions, scope, alarm_id)
    limit = _limit(asked.integer("limit"), parts)
    found = parts.alarms.history(wanted, limit) if wanted else []
    return answer.rows([ChangeAnswer.of(change) for change in found])


@router.get(
    "/v2/alarms/{alarm_id}/state",
    dependencies=[may("telemetry:get_alarm_state")],
    responses={200: {"model": str}},
)
def get_state(alarm_id: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """The state as a bare JSON string."""
    asked.check_names()
    return JSONResponse(_get(parts, scope, alarm_id).state)


@router.put(
    "/v2/alarms/{alarm_id}/state",
    dependencies=[may("telemetry:change_alarm_state")],
    responses={200: {"model": str}},
    openapi_extra=WITH_BODY,
)
def set_state(
    alarm_id: str, asked: Asked, content: Body, caller: Caller, scope: InScope, parts: Parts
) -> Response:
    """Sets the state, a bare JSON string, until the next evaluation."""
    asked.check_names()
    state = json_value(content)

    def attempt() -> Alarm:
        now = datetime.now(UTC)
        alarm = alarm_changes.in_state(_get(parts, scope, alarm_id), state, now)
        detail = {"state": alarm.state, "transition_reason": alarm.state_reason}
        return parts.alarms.update(
            alarm, alarm_changes.change(alarm, "state transition", detail, caller, now)
        )

    return JSONResponse(_repeat(attempt, alarm_id).state)


def _get(parts: Services, scope: Scope, alarm_id: str) -> Alarm:
    alarm = parts.alarms.get(scope, alarm_id)
    if alarm is None:
        raise NotFound("Alarm", alarm_id)
    return alarm


def _limit(asked: int | None, parts: Services) -> int:
    """Lists of alarms were never cut by a default limit."""
    return parts.settings.max_limit if asked is None else answer.limit(asked, parts.settings)


def _repeat(attempt: Callable[[], Alarm], alarm_id: str) -> Alarm:
    for _ in range(TRIES):
        try:
            return attempt()
        except Conflict:
            continue
    raise errors.Conflict(f"Alarm {alarm_id} is being changed by others, try again")
