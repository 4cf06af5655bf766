"""Ceilometer's JSONPath, read into steps and never evaluated as code.

    $.payload.size                                     keys; `payload.size` means the same
    $.payload.'a.b'  $.payload["a.b"]                  a key in quotes
    $.payload.metrics[?(@.name = "cpu")].value         items of a list that compare so; also [?name=cpu]
    $.payload.metrics[0]  [*]  [1:3]  $.payload.*      items of a list, values of an object
    $.payload..name                                    anywhere below
    (a.b) | (c.d)                                      both
    $.payload.host + "_" + $.payload.node              texts joined
    $.payload.volume * 100                             calculation
    $.payload.host.`split(#, 0, 1)`                    also `sub(/regex/, text)`, `len`, `sorted`, `this`

As in jsonpath-rw, `|` binds more tightly than `.` (write parentheses), and calculations are done from the right.
Beyond that, `/` divides here. Not understood, and refused: `&` between paths, `` `parent` ``, sorting by keys.
"""

import re
from collections.abc import Callable

from collector.ceilometer_files.steps import (
    Calculation,
    Call,
    Child,
    Comparison,
    Descendants,
    Fields,
    Filter,
    Index,
    Keys,
    Literal,
    Slice,
    Step,
    Union,
    Where,
)
from collector.ceilometer_files.tokens import Token, tokens
from collector.expressions import MATCHED_CHARACTERS

# How tightly what stands between two paths binds. Source: `precedence` of both parsers.
_BINDING = {"[": 2, "..": 3, ".": 4, "|": 5, "where": 7}
_CALCULATION = 1
_SPLIT = re.compile(r"split\((.),\s*(\d+),\s*(\d+|-1)\)")
_SUBSTITUTE = re.compile(r"sub\(/(.*)/,\s*(.*)\)")
_BOOLEANS = {"true": True, "false": False}


def read_jsonpath(text: str) -> Step:
    """The steps of a path; raises ValueError when it is none, or none that is understood."""
    reader = _Reader(text)
    step = reader.path(0)
    reader.expect("end", "")
    return reader.located(step)


class _Reader:
    """Reads the words of one path from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._place = 0

    def path(self, binding: int) -> Step:
        """A path up to the next word that binds less tightly."""
        left = self._first()
        while (found := self._binding()) > binding:
            left = self._more(left, found)
        return left

    def expect(self, kind: str, value: str) -> None:
        """Steps over this word; raises ValueError when another one stands there."""
        if (self._next.kind, self._next.value) != (kind, value):
            found = f"{self._next.value!r}" if self._next.kind != "end" else "the end"
            raise ValueError(f"{self._text!r} is no path: {value or 'the end'!r} expected, not {found}")
        self._place += 1

    def located(self, step: Step) -> Step:
        """The step, unless it is a number, which leads nowhere: then ValueError."""
        match step:
            case Literal(value=value):
                raise ValueError(f"{self._text!r} is no path: {value!r} leads nowhere")
        return step

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _is_next(self, value: str) -> bool:
        """Whether the next word is this mark."""
        return self._next.kind == "mark" and self._next.value == value

    def _binding(self) -> int:
        """How tightly the next word binds what stands before it; 0 when it does not continue a path."""
        token = self._next
        if token.kind == "mark" and token.value in ("+", "-", "*", "/"):
            return _CALCULATION
        is_where = token.kind == "name" and token.is_bare and token.value == "where"
        return _BINDING.get(str(token.value), 0) if token.kind == "mark" or is_where else 0

    def _more(self, left: Step, binding: int) -> Step:
        """The path that goes on from `left` with the next word."""
        if binding == _CALCULATION:
            sign = str(self._take().value)
            right = self.path(0)  # from the right, whatever the sign, as in jsonpath-rw-ext
            return Calculation(_operand(left), sign, _operand(right))
        if self._is_next("["):
            return _child(left, self._bracket())
        joint = self._take().value
        if self._is_next("$"):
            raise ValueError(f"{self._text!r} is no path: $ stands only at its beginning")
        left, right = self.located(left), self.located(self.path(binding))
        match joint:
            case ".":
                return _child(left, right)
            case "..":
                return Descendants(left, right)
            case "|":
                return Union(left, right)
        return Where(left, right)

    def _first(self) -> Step:
        token = self._take()
        if token.kind == "name":
            return self._fields(str(token.value))
        if token.kind == "number":
            return Literal(token.value)
        if token.kind == "call":
            return _call(str(token.value))
        match token.value if token.kind == "mark" else None:
            case "$" | "@":
                return Keys(())
            case "*":
                return Fields(("*",))
            case "(":
                inner = self.path(0)
                self.expect("mark", ")")
                return inner
            case "[":
                self._place -= 1
                return self._bracket()
        raise ValueError(f"{self._text!r} is no path: {token.value or 'its end'!r} is not understood here")

    def _fields(self, first: str) -> Fields:
        names = [first]
        while self._is_next(","):
            self._take()
            if self._next.kind != "name":
                raise ValueError(f"{self._text!r} is no path: a key must follow the comma")
            names.append(str(self._take().value))
        return Fields(tuple(names))

    def _bracket(self) -> Step:
        self.expect("mark", "[")
        step: Step
        if self._is_next("?"):
            self._take()
            step = Filter(self._comparisons())
        elif self._next.kind == "name":
            step = self._fields(str(self._take().value))
        elif self._is_next("*"):
            self._take()
            step = Slice(None, None)
        else:
            step = self._places()
        self.expect("mark", "]")
        return step

    def _places(self) -> Step:
        first = self._whole()
        if first is not None and not self._is_next(":"):
            return Index(first)
        self.expect("mark", ":")
        return Slice(first, self._whole())

    def _whole(self) -> int | None:
        value = self._next.value
        if not isinstance(value, int):
            return None
        self._take()
        return value

    def _comparisons(self) -> list[Comparison]:
        """Comparisons joined by `&`, alone or together in parentheses."""
        found = self._comparison()
        while self._is_next("&"):
            self._take()
            found += self._comparison()
        return found

    def _comparison(self) -> list[Comparison]:
        start = self._place
        if self._is_next("("):
            self._take()
            found = self._comparisons()
            self.expect("mark", ")")
            if self._binding() == 0 and self._next.kind != "comparison":
                return found
            self._place = start  # the parentheses belong to a path
        target = self.path(0)
        if self._next.kind != "comparison":
            return [Comparison(target, "", "")]
        sign, value = str(self._take().value), self._take()
        if value.kind not in ("name", "number"):
            raise ValueError(f"{self._text!r} is no path: a name or number must follow {sign!r}")
        if sign == "~":
            _compiled(str(value.value))
        is_boolean = value.is_bare and value.value in _BOOLEANS
        return [Comparison(target, sign, _BOOLEANS[str(value.value)] if is_boolean else value.value)]


def _child(left: Step, right: Step) -> Step:
    """`left.right`, as one step where both are plain keys: nearly all paths are."""
    keys = _keys(left) if isinstance(left, Keys) or _is_key(left) else None
    if keys is not None and isinstance(right, Fields) and _is_key(right):
        return Keys(keys + right.names)
    return Child(left, right)


def _is_key(step: Step) -> bool:
    return isinstance(step, Fields) and len(step.names) == 1 and step.names != ("*",)


def _keys(step: Step) -> tuple[str, ...]:
    return step.keys if isinstance(step, Keys) else step.names if isinstance(step, Fields) else ()


def _operand(step: Step) -> Step:
    """In a calculation a name that stands alone is a text, as `"_"` in `$.a + "_" + $.b`."""
    return Literal(step.names[0]) if isinstance(step, Fields) and len(step.names) == 1 else step


def _call(text: str) -> Call:
    if text in _CALLS:
        return Call(_CALLS[text])
    if found := _SPLIT.match(text):
        return Call(_split(found[1], int(found[2]), int(found[3])))
    if found := _SUBSTITUTE.match(text):
        return Call(_substitute(_compiled(found[1].strip()), found[2].strip()))
    raise ValueError(f"`{text}` is not understood: it is none of len, sorted, this, split(…) and sub(…)")


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error


def _split(separator: str, segment: int, most: int) -> Callable[[object], object]:
    def part(value: object) -> object:
        parts = value.split(separator, most) if isinstance(value, str) else []
        return parts[segment] if segment < len(parts) else None

    return part


def _substitute(pattern: re.Pattern[str], text: str) -> Callable[[object], object]:
    """Nothing where that changes nothing, as in jsonpath-rw-ext, and for texts too long for a pattern."""

    def substituted(value: object) -> object:
        if not isinstance(value, str) or len(value) > MATCHED_CHARACTERS:
            return None
        try:
            result = pattern.sub(text, value)
        except (re.error, IndexError):  # the text names a group the pattern does not have
            return None
        return None if result == value else result

    return substituted


def _length(value: object) -> object:
    return len(value) if isinstance(value, str | list | dict) else None


def _sorted(value: object) -> object:
    try:
        return sorted(value) if isinstance(value, list | dict) else value
    except TypeError:
        return None


_CALLS: dict[str, Callable[[object], object]] = {
    "len": _length,
    "sorted": _sorted,
    "this": lambda value: value,
}
