"""The words of Ceilometer's JSONPath. Source: the lexers of jsonpath-rw 1.4.0 and jsonpath-rw-ext 1.2.2."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "number", "call", "comparison", "mark", "end"]

_WORD = re.compile(
    r"""[ \t\n]*(?:
      (?P<number>-?\d+(?:\.\d+)?)
    | (?P<name>@?[a-zA-Z_][a-zA-Z0-9_@-]*)
    | '(?P<single>(?:[^'\\]|\\.)*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | `(?P<call>(?:[^`\\]|\\.)*)`
    | (?P<comparison>==?|<=|>=|!=|<|>|~)
    | (?P<mark>\.\.|[*.\[\]()$,:|&?@+/-])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `value` is its text without quotes, or the number; `is_bare` when a name stands without quotes."""

    kind: Kind
    value: str | int | float
    is_bare: bool = True


def tokens(text: str) -> Iterator[Token]:
    """The words of a path and a last one of kind `end`; raises ValueError at what is none."""
    position = 0
    while True:
        match = _WORD.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is no path: {text[position:].strip()!r} is not understood")
        yield _token(match)
        if match.lastgroup == "end":
            return
        position = match.end()


def _token(match: re.Match[str]) -> Token:
    kind, found = match.lastgroup, match[match.lastgroup or 0]
    if kind == "number":
        return Token("number", float(found) if "." in found else int(found))
    if kind in ("single", "double"):
        return Token("name", _ESCAPED.sub(r"\1", found), is_bare=False)
    if kind == "call":
        return Token("call", _ESCAPED.sub(r"\1", found))
    if kind in ("name", "comparison", "end"):
        return Token("name" if kind == "name" else "comparison" if kind == "comparison" else "end", found)
    return Token("mark", found)
