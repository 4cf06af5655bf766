"""Conditions joined by and, or and not, as a complex query asks them; what they are about is the asker's.

Truth has three values, as in SQL: a comparison with what is not there is neither true nor false, and remains so under
`not`. It is a pair of flags, "is true" and "is false", of Python's own or arrays of numpy's: both know `&` and `|`.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from storage.pattern import Pattern

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Value = str | int | float | bool

COMPARE: Final[
    Mapping[Operator, Callable[[Any, Any], Any]]
] = {  # Any: two values of one type, or arrays of them
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A field compared with a value of the kind the field has; moments are microseconds since 1970 UTC."""

    field: str
    op: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field that is one of these values."""

    field: str
    values: frozenset[Value]


@dataclass(frozen=True, slots=True)
class Like:
    """A field in whose text the pattern is found."""

    field: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """This is false."""

    part: "Expression"


Leaf = Compared | OneOf | Like
Expression = Leaf | Every | Some | Negated
Truth = tuple[Any, Any]  # is true, is false: two bools, or two arrays of them

EVERYTHING: Final = Every(())


@dataclass(frozen=True, slots=True)
class Sorting:
    """A field to sort by; what is not there comes first, and last where it `descends`."""

    field: str
    descends: bool


def truth(expression: Expression, of: Callable[[Leaf], Truth]) -> Truth:
    """Whether it holds, where `of` tells whether its leaves do."""
    if isinstance(expression, Negated):
        is_true, is_false = truth(expression.part, of)
        return is_false, is_true
    if isinstance(expression, Every):
        is_true, is_false = True, False
        for part in expression.parts:
            found = truth(part, of)
            is_true, is_false = is_true & found[0], is_false | found[1]
        return is_true, is_false
    if isinstance(expression, Some):
        is_true, is_false = False, True
        for part in expression.parts:
            found = truth(part, of)
            is_true, is_false = is_true | found[0], is_false & found[1]
        return is_true, is_false
    return of(expression)


def holds(expression: Expression, value_of: Callable[[str], object]) -> bool:
    """Whether it is true of one thing, whose fields `value_of` tells; None is what is not there."""
    return bool(truth(expression, lambda leaf: compared(leaf, value_of(leaf.field)))[0])


def compared(leaf: Leaf, value: object) -> Truth:
    """Whether a value is what a leaf says; neither true nor false where there is none, or one of another kind."""
    if value is None:
        return False, False
    if isinstance(leaf, Like):
        found = isinstance(value, str) and leaf.pattern.is_in(value)
        return found, isinstance(value, str) and not found
    if isinstance(leaf, OneOf):
        found = value in leaf.values
        return found, not found
    if not _are_alike(value, leaf.value):
        return False, False
    found = COMPARE[leaf.op](value, leaf.value)
    return found, not found


def needed(expression: Expression) -> Iterator[Leaf]:
    """The leaves without which it cannot be true."""
    if isinstance(expression, Every):
        for part in expression.parts:
            yield from needed(part)
    elif not isinstance(expression, (Some, Negated)):
        yield expression


def in_order(sortings: tuple[Sorting, ...], value_of: Callable[[Any, str], object]) -> Callable[[Any], Any]:
    """The key that sorts things so; Any: what `value_of` takes."""
    return lambda thing: tuple(_Place(value_of(thing, one.field), one.descends) for one in sortings)


class _Place:
    """A value among others, the first of which is that which is not there."""

    __slots__ = ("_descends", "_key")

    def __init__(self, value: Any, descends: bool) -> None:
        self._key = (value is not None, value)
        self._descends = descends

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __lt__(self, other: "_Place") -> bool:
        return other._key < self._key if self._descends else self._key < other._key


def _are_alike(one: object, other: object) -> bool:
    """Whether two values can be compared: both numbers, both texts or both yes or no."""
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return numbers or (isinstance(one, str) and isinstance(other, str))
