"""The filter and the order of a complex query: JSON inside a text becomes an expression about known fields."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from api.errors import BadRequest, NotAuthorized
from api.v2 import times
from collector.errors import InvalidMessage
from collector.strict_json import parse
from collector.text import clean
from storage.expression import (
    Compared,
    Every,
    Expression,
    Like,
    Negated,
    OneOf,
    Operator,
    Some,
    Sorting,
    Value,
)
from storage.pattern import BadPattern, Pattern
from storage.query import Scope
from storage.sample import INT64_MAX, INT64_MIN, to_microseconds

MAX_DEPTH: Final = 16
MAX_NODES: Final = 200

Kind = Literal["text", "number", "moment", "flag"]

_METADATA: Final = ("metadata.", "resource_metadata.")
_OPERATORS: Final[Mapping[str, Operator]] = {
    "=": "=", "!=": "!=", "<": "<", "<=": "<=", "=<": "<=", ">": ">", ">=": ">=", "=>": ">=",
}  # fmt: skip
_ALL: Final = (*_OPERATORS, "=~", "in", "and", "or", "not")


@dataclass(frozen=True, slots=True)
class Fields:
    """What an endpoint knows: the kind of each field, other names of fields, and whether there is metadata.

    `visibility` is the field that tells whose a thing is: a caller names no other project in it.
    """

    kinds: Mapping[str, Kind]
    synonyms: Mapping[str, str]
    visibility: str
    with_metadata: bool = False

    def named(self, name: str) -> str:
        """The one name of a field; raises ValueError for what is none."""
        for prefix in _METADATA if self.with_metadata else ():
            if name.startswith(prefix) and len(name) > len(prefix):
                return f"metadata.{name[len(prefix) :]}"
        known = self.synonyms.get(name, name)
        if known not in self.kinds:
            raise ValueError(f"{name!r} is not one of {sorted({*self.kinds, *self.synonyms})}")
        return known

    def value(self, field: str, value: object) -> Value:
        """The value as the field has it; raises ValueError, or BadRequest for a time that is none."""
        if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
            kind = self.kinds.get(field)
            return _in_bounds(value) if kind is None else _CONVERTED[kind](value)
        shown = "a number beyond 64 bits" if isinstance(value, float) else repr(value)[:100]
        raise ValueError(f"{shown} is not a text, a number, true or false")


def _text(value: Value) -> Value:
    return clean(value) if isinstance(value, str) else str(value)


def _in_bounds(value: Value) -> Value:
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return float(value)
    return clean(value) if isinstance(value, str) else value


def _number(value: Value) -> Value:
    if isinstance(value, str):
        number = float(value[:100])
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is not a number")
        return number
    return _in_bounds(int(value) if isinstance(value, bool) else value)


def _moment(value: Value) -> Value:
    try:
        return to_microseconds(times.parse(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise BadRequest(f"Failed to parse the timestamp value {value}") from error


def _flag(value: Value) -> Value:
    words = {"true": True, "1": True, "false": False, "0": False}
    found = words.get(str(value).lower())
    if found is None:
        raise ValueError(f"{value!r} is neither true nor false")
    return found


_CONVERTED: Final = {"text": _text, "number": _number, "moment": _moment, "flag": _flag}


def read_filter(text: str, fields: Fields, scope: Scope) -> Expression:
    """What a filter says; raises BadRequest, or NotAuthorized where it names another project."""
    try:
        return _Reading(fields, scope).expression(parse(text), 1)
    except (ValueError, OverflowError, InvalidMessage) as error:
        raise BadRequest(f"Filter expression not valid: {error}") from error


def read_order(text: str, fields: Fields) -> tuple[Sorting, ...]:
    """What an order says, the first field counting most; raises BadRequest."""
    try:
        asked = parse(text)
        if not isinstance(asked, list) or len(asked) > MAX_DEPTH:
            raise ValueError(f"a list of at most {MAX_DEPTH} objects is expected")
        return tuple(_sorting(one, fields) for one in asked)
    except (ValueError, InvalidMessage) as error:
        raise BadRequest(f"Order-by expression not valid: {error}") from error


def _sorting(asked: object, fields: Fields) -> Sorting:
    name, direction = _pair(asked)
    if not isinstance(direction, str) or direction.lower() not in {"asc", "desc"}:
        raise ValueError(f"{direction!r} is neither asc nor desc")
    if name.startswith(_METADATA):
        raise ValueError("metadata has no order")
    return Sorting(fields.named(name), direction.lower() == "desc")


class _Reading:
    """Counts the nodes of one filter while it is read."""

    def __init__(self, fields: Fields, scope: Scope) -> None:
        self._fields, self._scope = fields, scope
        self._nodes = 0

    def expression(self, asked: object, depth: int) -> Expression:
        """What an object of the filter says."""
        self._count(1)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        name, inner = _pair(asked)
        operator = name.lower()
        if operator == "not":
            return Negated(self.expression(inner, depth + 1))
        if operator in {"and", "or"}:
            if not isinstance(inner, list) or len(inner) < 2:
                raise ValueError(f"{name} takes a list of at least two conditions")
            parts = tuple(self.expression(one, depth + 1) for one in inner)
            return Every(parts) if operator == "and" else Some(parts)
        if operator not in _ALL:
            raise ValueError(f"{name!r} is not one of {list(_ALL)}")
        return self._leaf(operator, *_pair(inner))

    def _leaf(self, operator: str, name: str, asked: object) -> Expression:
        field = self._fields.named(name)
        if operator == "in":
            return self._one_of(field, asked)
        if operator == "=~":
            return self._like(field, asked)
        value = self._fields.value(field, asked)
        self._check_project(field, value)
        return Compared(field, _OPERATORS[operator], value)

    def _one_of(self, field: str, asked: object) -> Expression:
        if not isinstance(asked, list) or not asked:
            raise ValueError("in takes a list of at least one value")
        self._count(len(asked))
        if any(isinstance(one, bool) for one in asked):
            raise ValueError("in takes texts and numbers")
        values = [self._fields.value(field, one) for one in asked]
        for value in values:
            self._check_project(field, value)
        return OneOf(field, frozenset(values))

    def _like(self, field: str, asked: object) -> Expression:
        if not isinstance(asked, str) or self._fields.kinds.get(field, "text") != "text":
            raise ValueError("=~ looks for a text in a text")
        self._check_project(field, asked)
        try:
            return Like(field, Pattern(clean(asked)))
        except BadPattern as error:
            raise ValueError(f"{asked[:100]!r}: {error}") from error

    def _check_project(self, field: str, value: Value) -> None:
        """Whoever may see one project names no other, whether it exists or not."""
        if field == self._fields.visibility and not self._scope.allows(str(value)):
            raise NotAuthorized(str(value))

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ValueError(f"it has more than {MAX_NODES} conditions and values")


def _pair(asked: object) -> tuple[str, object]:
    if not isinstance(asked, dict) or len(asked) != 1:
        raise ValueError("an object with exactly one key is expected")
    return cast("Sequence[tuple[str, object]]", [*asked.items()])[0]
