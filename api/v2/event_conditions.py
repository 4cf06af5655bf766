"""The conditions of `q`, and `sort`, become a question about events."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, cast

from api.auth import Identity
from api.errors import BadRequest, Forbidden, InvalidInput
from api.v2 import times
from api.v2.query import OPERATORS, convert
from storage.alarm import Condition
from storage.comparison import Comparison
from storage.event import TraitType
from storage.event_query import EVERY_EVENT, EventQuery, EventScope, Order, SortKey, TraitMatch

_TYPES: Final[Mapping[str, TraitType]] = {
    "integer": "integer",
    "float": "float",
    "string": "text",
    "datetime": "datetime",
}
_NAMES: Final = ("event_type", "message_id")
_BOUNDS: Final[Mapping[str, str]] = {"start_timestamp": "ge", "end_timestamp": "le"}
_ALL: Final = "all_tenants"
_TRUE: Final = frozenset({"1", "t", "true", "on", "y", "yes"})


def event_scope(identity: Identity, *, all_tenants: bool = False) -> EventScope:
    """What a caller sees: a user his own events, an administrator those of his project and of none, or all.

    An administrator without a project sees all. Raises Forbidden for who is neither an administrator nor a user in a
    project, or wants all and is no administrator.
    """
    if identity.is_admin:
        if all_tenants or not identity.project_id:
            return EVERY_EVENT
        return EventScope(identity.project_id, and_nobodys=True)
    if all_tenants:
        raise Forbidden(("admin",))
    if not identity.project_id or not identity.user_id:
        raise Forbidden  # its role is enough: its token should be that of a user in a project
    return EventScope(identity.project_id, identity.user_id)


def wants_all(conditions: Sequence[Condition]) -> bool:
    """Whether every tenant's events are asked for; the last such condition counts."""
    found = [one.value for one in conditions if one.field == _ALL]
    return bool(found) and found[-1].strip().lower() in _TRUE


def event_query(conditions: Sequence[Condition], scope: EventScope) -> EventQuery | None:
    """The question of these conditions (all must hold); None when one name should be two things.

    Raises BadRequest for what cannot be asked.
    """
    query = EventQuery(scope)
    names: dict[str, str] = {}
    traits: list[TraitMatch] = []
    is_contradiction = False
    for one in conditions:
        operator = one.op or "eq"
        if operator not in OPERATORS:
            raise BadRequest(
                f"Operator {operator} is not supported. The supported operators are: {OPERATORS}"
            )
        if one.field in _NAMES or one.field in _BOUNDS or one.field == _ALL:
            _check_operator(one.field, operator)
        if one.field in _NAMES:
            is_contradiction |= names.setdefault(one.field, one.value) != one.value
        elif one.field in _BOUNDS:
            query = _bounded(query, one)
        elif one.field != _ALL:
            traits.append(_trait(one, cast("Comparison", operator)))  # it is one of OPERATORS
    if is_contradiction:
        return None
    return replace(
        query,
        event_type=names.get("event_type"),
        message_id=names.get("message_id"),
        traits=tuple(traits),
    )


def event_order(sorts: Sequence[str]) -> Order:
    """The order of `key:direction` pairs, the first of a key counting; raises BadRequest for another key."""
    wanted: dict[str, bool] = {}
    for sort in sorts:
        key, _, direction = sort.partition(":")
        if key not in ("generated", "message_id"):
            raise InvalidInput("sort", sort, "The sort key must be generated or message_id")
        if direction not in ("", "asc", "desc"):
            raise InvalidInput("sort", sort, "The sort direction must be asc or desc")
        wanted.setdefault(key, direction == "desc")
    first = cast("SortKey", next(iter(wanted), "generated"))  # one of the two, as checked
    return Order(first, wanted.get("generated", False), wanted.get("message_id", False))


def _check_operator(field: str, operator: str) -> None:
    allowed = ("eq", _BOUNDS[field]) if field in _BOUNDS else ("eq",)
    if operator not in allowed:
        raise BadRequest(
            f"Operator {operator} is not supported. Only {' and '.join(allowed)} are available for field {field}"
        )


def _bounded(query: EventQuery, condition: Condition) -> EventQuery:
    try:
        moment = times.parse(condition.value)
    except ValueError as error:
        raise InvalidInput(condition.field, condition.value, f"invalid timestamp format: {error}") from error
    if condition.field == "start_timestamp":
        return replace(query, start=_later(query.start, moment))
    return replace(query, end=moment if query.end is None else min(query.end, moment))


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _trait(condition: Condition, operator: Comparison) -> TraitMatch:
    kind = condition.type or "string"
    if kind not in _TYPES:
        raise BadRequest(
            f"The data type {kind} is not supported. The supported data type list is: {list(_TYPES)}"
        )
    return TraitMatch(condition.field, operator, _TYPES[kind], convert(condition.value, kind))
