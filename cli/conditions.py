"""The -q shorthand of python-ceilometerclient: `field<op>[type::]value;field2…`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.errors import WrongUsage

OPERATORS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
TYPES = ("integer", "float", "string", "boolean", "datetime")

CONDITION = re.compile(r"\s*(?P<field>[^\s<>=!]+)\s*(?P<op>!=|<=|>=|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
TYPED = re.compile(rf"(?P<type>{'|'.join(TYPES)})::(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, in the words of the API; `type` is "" when the server is to guess it."""

    field: str
    op: str
    type: str
    value: str


def parse(texts: Iterable[str]) -> list[Condition]:
    """The conditions of every -q given, in order; all of them must hold.

    A value cannot hold `;`. Raises WrongUsage for what is not `field<op>value`.
    """
    return [_condition(part) for text in texts for part in text.split(";") if part.strip()]


def parameters(conditions: Sequence[Condition]) -> list[tuple[str, str]]:
    """The conditions as the parallel q.* parameters of the API: all fields, then all ops, types and values."""
    return [
        *(("q.field", condition.field) for condition in conditions),
        *(("q.op", condition.op) for condition in conditions),
        *(("q.type", condition.type) for condition in conditions),
        *(("q.value", condition.value) for condition in conditions),
    ]


def _condition(text: str) -> Condition:
    match = CONDITION.fullmatch(text)
    if match is None:
        raise WrongUsage(f"-q {text.strip()!r} is not field<op>value with one of {' '.join(OPERATORS)}")
    typed = TYPED.fullmatch(match["value"])
    value, kind = (typed["value"], typed["type"]) if typed else (match["value"], "")
    return Condition(match["field"], OPERATORS[match["op"]], kind, value)
