"""The conditions of `q` become a question about samples.

The same rules serve the query of a request and the query inside an alarm's rule.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from api.errors import BadRequest, InvalidInput, UnknownArgument
from api.scope import check_project
from api.v2 import times
from storage.alarm import Condition
from storage.query import MetadataMatch, SampleQuery, Scope
from storage.sample import EPOCH, INT64_MAX, INT64_MIN

METER_FIELDS: Final = frozenset({"user", "project", "resource", "source", "metadata"})
RESOURCE_FIELDS: Final = METER_FIELDS | {"timestamp", "search_offset"}
SAMPLE_FIELDS: Final = RESOURCE_FIELDS | {"meter", "message_id"}

OPERATORS: Final = ("lt", "le", "eq", "ne", "ge", "gt")
# Characters of an argument that is remembered, and arguments: whoever asks again mostly changes a time, if anything.
SHORT: Final = 200
FEW: Final = 8
MAX_OFFSET_MINUTES: Final = 100 * 366 * 24 * 60

_RANGE: Final = frozenset({"lt", "le", "ge", "gt"})
_EQUALITY: Final = frozenset({"eq"})
_TIMES: Final = frozenset({"timestamp", "search_offset"})
_SYNONYMS: Final = {"user_id": "user", "project_id": "project", "resource_id": "resource"}
_METADATA: Final = re.compile(r"(?:resource_)?metadata\.(.+)", re.DOTALL)
_TRUE: Final = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE: Final = frozenset({"0", "f", "false", "off", "n", "no"})


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: `query` for the store, and the time bounds as given, before any search_offset."""

    query: SampleQuery
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """The time bounds as given, and those of the query: widened on both sides by the offset."""

    start: datetime | None
    end: datetime | None
    start_open: bool
    end_closed: bool
    begin: datetime | None
    until: datetime | None


def question(
    conditions: Sequence[Condition], scope: Scope, fields: frozenset[str], meter: str | None = None
) -> Question:
    """The question of these conditions (all must hold), within the scope.

    `fields` are the fields the endpoint knows; `meter` is asked for whatever they say of one. Of several lower or
    upper time bounds the last one counts. Raises BadRequest for what cannot be asked, NotAuthorized for a project
    outside the scope.
    """
    is_short = all(len(one.field) <= SHORT and len(one.value) <= SHORT for one in conditions)
    asked = _known_question if is_short and len(conditions) <= FEW else _question
    return asked(tuple(conditions), scope, fields, meter)


def _question(
    conditions: Sequence[Condition], scope: Scope, fields: frozenset[str], meter: str | None
) -> Question:
    plain: dict[str, str] = {}
    metadata: list[MetadataMatch] = []
    is_contradiction = False
    for condition in conditions:
        name, key = _name(condition, conditions, fields)
        _check(name, condition)
        if name == "metadata":
            metadata.append(_metadata(key, condition))
        elif name != "timestamp":
            is_contradiction |= plain.setdefault(name, condition.value) != condition.value
            if name == "project":
                check_project(scope, condition.value)
    span = _span(conditions, plain.get("search_offset"))
    query = SampleQuery(
        scope,
        meter=plain.get("meter") if meter is None else meter,
        resource_id=plain.get("resource"),
        project_id=plain.get("project"),
        user_id=plain.get("user"),
        source=plain.get("source"),
        message_id=plain.get("message_id"),
        metadata=tuple(metadata),
        start=span.begin,
        end=span.until,
        start_open=span.start_open,
        end_closed=span.end_closed,
    )
    return Question(_none_of(query) if is_contradiction else query, span.start, span.end)


_known_question: Final = lru_cache(1024)(_question)


def convert(value: str, kind: str) -> str | int | float | bool | datetime:
    """The value in its declared type; raises BadRequest, worded as Ceilometer did."""
    return _known_conversion(value, kind) if len(value) <= SHORT else _convert(value, kind)


def _convert(value: str, kind: str) -> str | int | float | bool | datetime:
    if not kind:
        return _guess(value)
    converter = _CONVERTERS.get(kind)
    if converter is None:
        raise BadRequest(
            f"The data type {kind} is not supported. The supported data type list is: {list(_CONVERTERS)}"
        )
    try:
        return converter(value)
    except ValueError as error:
        raise BadRequest(f"Unable to convert the value {value} to the expected data type {kind}.") from error


_known_conversion: Final = lru_cache(4096)(_convert)


def _none_of(query: SampleQuery) -> SampleQuery:
    """The query with a time range that holds no moment: one field cannot equal two values."""
    return replace(query, start=EPOCH, end=EPOCH, start_open=False, end_closed=False)


def _name(condition: Condition, conditions: Sequence[Condition], fields: frozenset[str]) -> tuple[str, str]:
    """The field's one name, and the key below it for metadata."""
    match = _METADATA.fullmatch(condition.field) if "." in condition.field else None
    name = "metadata" if match else _SYNONYMS.get(condition.field, condition.field)
    if name in _TIMES - fields:
        raise UnknownArgument(name, "not valid for this resource")
    if name not in fields or (name == "metadata" and not match):
        shown = ", ".join(
            f"<Query '{item.field}' {item.op or 'eq'} '{item.value}' {item.type}>" for item in conditions
        )
        raise UnknownArgument(
            condition.field,
            f"unrecognized field in query: [{shown}], valid keys: {sorted(fields - {'metadata'})}",
        )
    return name, match.group(1) if match else ""


def _check(name: str, condition: Condition) -> None:
    operator = condition.op or "eq"
    if operator not in OPERATORS:
        raise InvalidInput("op", condition.op, f"Value should be one of: {', '.join(OPERATORS)}")
    if operator not in (_RANGE if name == "timestamp" else _EQUALITY):
        raise InvalidInput("op", operator, f"unimplemented operator for {condition.field}")
    if condition.type:  # without one it is what it can be
        convert(condition.value, condition.type)


def _metadata(key: str, condition: Condition) -> MetadataMatch:
    value = convert(condition.value, condition.type)
    if isinstance(value, datetime):  # metadata holds no datetimes: their text is compared
        value = condition.value
    return MetadataMatch(key, value, condition.value)


def _span(conditions: Sequence[Condition], offset: str | None) -> _Span:
    start = end = None
    start_open = end_closed = False
    for condition in conditions:
        if condition.field == "timestamp":
            if condition.op in {"gt", "ge"}:
                start, start_open = _moment(condition), condition.op == "gt"
            else:
                end, end_closed = _moment(condition), condition.op == "le"
    width = _offset(offset, has_bound=bool(start or end))
    try:
        return _Span(start, end, start_open, end_closed, start and start - width, end and end + width)
    except OverflowError as error:
        raise InvalidInput("search_offset", offset, "the time is outside the calendar") from error


def _moment(condition: Condition) -> datetime:
    text = condition.value
    try:
        return _known_time(text) if len(text) <= SHORT else times.parse(text)
    except ValueError as error:
        raise InvalidInput("timestamp", text, "invalid timestamp format") from error


_known_time: Final = lru_cache(4096)(times.parse)


def _offset(text: str | None, *, has_bound: bool) -> timedelta:
    if text is None:
        return timedelta()
    if not has_bound:
        raise InvalidInput("field", "search_offset", "search_offset cannot be used without timestamp")
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) > MAX_OFFSET_MINUTES:
        raise InvalidInput("search_offset", text, "a number of minutes is expected")
    return timedelta(minutes=int(text))


def _guess(value: str) -> str | int | float | bool:
    """What the text would be as a Python literal, else the text itself."""
    if value in {"True", "False"}:
        return value == "True"
    if re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,18})", value, re.ASCII):
        return _integer(value) if INT64_MIN <= int(value) <= INT64_MAX else value
    if re.fullmatch(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?", value, re.ASCII):
        return float(value) if math.isfinite(float(value)) else value
    quoted = re.fullmatch(r"(['\"])([^'\"\\\n]*)\1", value)
    return quoted.group(2) if quoted else value


def _integer(value: str) -> int:
    number = int(value) if len(value) <= 20 else INT64_MAX + 1
    if not INT64_MIN <= number <= INT64_MAX:
        raise ValueError("beyond 64 bits")
    return number


def _float(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _boolean(value: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return word in _TRUE


_CONVERTERS: Final[Mapping[str, Callable[[str], str | int | float | bool | datetime]]] = {
    "integer": _integer,
    "float": _float,
    "string": str,
    "boolean": _boolean,
    "datetime": times.parse,
}
