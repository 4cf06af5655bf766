"""The conditions of `q` on alarms and their history."""

from collections.abc import Sequence

from api.errors import InvalidInput, UnknownArgument
from api.scope import check_project
from api.v2.query import convert, question
from storage.alarm import AlarmFilter, Condition, HistoryFilter
from storage.query import Scope

SYNONYMS = {"project_id": "project", "user_id": "user", "meter_name": "meter"}
ALARM_FIELDS = ("alarm_id", "enabled", "meter", "name", "project", "severity", "state", "type", "user")
CHANGE_FIELDS = ("severity", "type")
CHANGE_QUESTION_FIELDS = frozenset({"user", "project", "timestamp", "search_offset"})


def alarm_filter(conditions: Sequence[Condition], scope: Scope) -> AlarmFilter | None:
    """Which alarms are meant; None when two conditions can never both hold.

    Raises BadRequest, or NotAuthorized for a project outside the scope.
    """
    wanted: dict[str, str] = {}
    for condition in conditions:
        name = SYNONYMS.get(condition.field, condition.field)
        if name not in ALARM_FIELDS:
            raise UnknownArgument(
                condition.field, f"unrecognized field in query, valid keys: {list(ALARM_FIELDS)}"
            )
        _check_equality(condition)
        if name == "project":
            check_project(scope, condition.value)
        if wanted.setdefault(name, condition.value) != condition.value:
            return None
    enabled = wanted.get("enabled")
    return AlarmFilter(
        scope,
        alarm_id=wanted.get("alarm_id"),
        name=wanted.get("name"),
        type=wanted.get("type"),
        meter=wanted.get("meter"),
        project_id=wanted.get("project"),
        user_id=wanted.get("user"),
        state=wanted.get("state"),
        severity=wanted.get("severity"),
        enabled=None if enabled is None else bool(convert(enabled, "boolean")),
    )


def history_filter(conditions: Sequence[Condition], scope: Scope, alarm_id: str) -> HistoryFilter | None:
    """Which lines of an alarm's history are meant; None and errors as in `alarm_filter`."""
    own = [condition for condition in conditions if condition.field in CHANGE_FIELDS]
    wanted: dict[str, str] = {}
    for condition in own:
        _check_equality(condition)
        if wanted.setdefault(condition.field, condition.value) != condition.value:
            return None
    rest = [condition for condition in conditions if condition.field not in CHANGE_FIELDS]
    asked = question(rest, scope, CHANGE_QUESTION_FIELDS).query
    return HistoryFilter(
        scope,
        alarm_id,
        type=wanted.get("type"),
        severity=wanted.get("severity"),
        project_id=asked.project_id,
        user_id=asked.user_id,
        start=asked.start,
        end=asked.end,
        start_open=asked.start_open,
        end_closed=asked.end_closed,
    )


def _check_equality(condition: Condition) -> None:
    if condition.op not in ("", "eq"):
        raise InvalidInput("op", condition.op, f"unimplemented operator for {condition.field}")
    convert(condition.value, condition.type)
