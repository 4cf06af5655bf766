"""What the parts of a JSONPath do: each turns one match into the matches it leads to.

Source: jsonpath-rw 1.4.0 and jsonpath-rw-ext 1.2.2, which Ceilometer uses. Where they raise an exception because a
notification is not as expected, there is no match here.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from collector.expressions import MATCHED_CHARACTERS

ALL = "*"


@dataclass(frozen=True, slots=True)
class Match:
    """A value that was found; `path` are the keys and places that lead to it, none for what was computed."""

    value: object
    path: tuple[str, ...] = ()


class Step(Protocol):
    """A part of a path."""

    def matches(self, start: Match, /) -> list[Match]:
        """What it leads to, in the order of the document."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """`$.a.b`, `@.a`, `$`: one key after the other; without any, the start itself."""

    keys: tuple[str, ...]

    def matches(self, start: Match) -> list[Match]:
        """At most one."""
        value = start.value
        for key in self.keys:
            if not isinstance(value, dict) or key not in value:
                return []
            value = value[key]
        return [Match(value, start.path + self.keys)]

    def value(self, document: object) -> object:
        """What stands there, None where nothing does: the short way for nearly all paths."""
        for key in self.keys:
            if not isinstance(document, dict):
                return None
            document = document.get(key)
        return document


@dataclass(frozen=True, slots=True)
class Fields:
    """`a`, `a,b` or `*`: values of an object."""

    names: tuple[str, ...]

    def matches(self, start: Match) -> list[Match]:
        """Those that are there."""
        found = start.value
        if not isinstance(found, dict):
            return []
        names = found if ALL in self.names else self.names
        return [Match(found[name], (*start.path, name)) for name in names if name in found]


@dataclass(frozen=True, slots=True)
class Index:
    """`[0]`: an item of a list."""

    place: int

    def matches(self, start: Match) -> list[Match]:
        """At most one."""
        found = start.value
        if not isinstance(found, list) or not -len(found) <= self.place < len(found):
            return []
        return [Match(found[self.place], (*start.path, f"[{self.place}]"))]


@dataclass(frozen=True, slots=True)
class Slice:
    """`[*]`, `[1:3]`: items of a list; a single thing counts as a list of one."""

    first: int | None
    end: int | None

    def matches(self, start: Match) -> list[Match]:
        """The items."""
        found = start.value if isinstance(start.value, list) else [start.value]
        if found == [None]:
            return []
        places = range(len(found))[self.first : self.end]
        return [Match(found[place], (*start.path, f"[{place}]")) for place in places]


@dataclass(frozen=True, slots=True)
class Child:
    """`left.right`."""

    left: Step
    right: Step

    def matches(self, start: Match) -> list[Match]:
        """What `right` finds in each that `left` finds."""
        return [match for found in self.left.matches(start) for match in self.right.matches(found)]


@dataclass(frozen=True, slots=True)
class Descendants:
    """`left..right`."""

    left: Step
    right: Step

    def matches(self, start: Match) -> list[Match]:
        """What `right` finds in each that `left` finds, and in everything below."""
        found: list[Match] = []
        waiting = self.left.matches(start)[::-1]
        while waiting:
            match = waiting.pop()
            found += self.right.matches(match)
            waiting += _below(match)[::-1]
        return found


def _below(match: Match) -> list[Match]:
    if isinstance(match.value, dict):
        return [Match(value, (*match.path, str(key))) for key, value in match.value.items()]
    if isinstance(match.value, list):
        return [Match(value, (*match.path, f"[{place}]")) for place, value in enumerate(match.value)]
    return []


@dataclass(frozen=True, slots=True)
class Union:
    """`left | right`."""

    left: Step
    right: Step

    def matches(self, start: Match) -> list[Match]:
        """Those of both."""
        return self.left.matches(start) + self.right.matches(start)


@dataclass(frozen=True, slots=True)
class Where:
    """`left where right`."""

    left: Step
    right: Step

    def matches(self, start: Match) -> list[Match]:
        """Those of `left` in which `right` finds anything."""
        return [match for match in self.left.matches(start) if self.right.matches(match)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`@.name = "x"` in a filter; without a sign: that there is something."""

    target: Step
    sign: str
    value: str | int | float | bool

    def holds(self, item: object) -> bool:
        """Whether any that `target` finds in the item compares so; what cannot be compared does not."""
        found = self.target.matches(Match(item))
        if not self.sign:
            return bool(found)
        return any(match.value is not None and self._compares(match.value) for match in found)

    def _compares(self, value: object) -> bool:
        try:
            if isinstance(self.value, int):
                if not isinstance(value, str | int | float):
                    return False
                value = int(value)
            return bool(COMPARISONS[self.sign](value, self.value))
        except (TypeError, ValueError, OverflowError):
            return False


def _begins_as(text: object, pattern: str) -> object:
    return re.match(pattern, text[:MATCHED_CHARACTERS]) if isinstance(text, str) else None


COMPARISONS: Mapping[str, Callable[[Any, Any], object]] = {  # Any: what cannot be compared raises TypeError
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "~": _begins_as,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(@.name = "x") & …]`: the items of a list for which all comparisons hold."""

    comparisons: Sequence[Comparison]

    def matches(self, start: Match) -> list[Match]:
        """Those items."""
        items = start.value if isinstance(start.value, list) else []
        return [
            Match(item, (*start.path, f"[{place}]"))
            for place, item in enumerate(items)
            if all(comparison.holds(item) for comparison in self.comparisons)
        ]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a text in a calculation."""

    value: str | int | float

    def matches(self, _start: Match) -> list[Match]:
        """Itself."""
        return [Match(self.value)]


@dataclass(frozen=True, slots=True)
class Calculation:
    """`left + right`, and `-`, `*`, `/`: of numbers; `+` also of texts."""

    left: Step
    sign: str
    right: Step

    def matches(self, start: Match) -> list[Match]:
        """The results, pair by pair; none unless there are as many on both sides and all can be calculated."""
        left, right = self.left.matches(start), self.right.matches(start)
        if isinstance(self.right, Literal):
            right = right * len(left)
        elif isinstance(self.left, Literal):
            left = left * len(right)
        if len(left) != len(right):
            return []
        results = [_calculated(one.value, self.sign, two.value) for one, two in zip(left, right, strict=True)]
        return [] if None in results else [Match(result) for result in results]


def _calculated(left: object, sign: str, right: object) -> str | int | float | None:
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return None
    try:
        return CALCULATIONS[sign](left, right)
    except (ArithmeticError, ValueError):
        return None


CALCULATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Call:
    """`` `split(…)` `` and the like: something done to the value itself; None is no match."""

    do: Callable[[object], object]

    def matches(self, start: Match) -> list[Match]:
        """At most one."""
        result = self.do(start.value)
        return [] if result is None else [Match(result)]
