"""The arguments of a v2 request: the query string, or the same names in a JSON body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.dependencies import body
from api.errors import BadRequest, InvalidInput, UnknownArgument
from api.v2.query import FEW, SHORT
from collector.errors import InvalidMessage
from collector.strict_json import parse
from collector.text import clean
from storage.alarm import Condition

MAX_CONDITIONS = 64
MAX_INTEGER_DIGITS = 40

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_OBJECTS: Mapping[str, tuple[str, ...]] = {
    "q": ("field", "op", "type", "value"),
    "aggregate": ("func", "param"),
}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One asked-for statistic: `func`, and `param` or "" where it takes none."""

    func: str
    param: str


class Arguments:
    """Every argument of a request by name, each a list of texts in the order they were given.

    The texts are clean: what no database takes is replaced as it was when samples were stored.
    """

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def check_names(self, *known: str) -> None:
        """Raises UnknownArgument for the first argument that is not one of these."""
        expected = _names(known)
        for name in self._values:
            if name not in expected:
                raise UnknownArgument(name)

    def text(self, name: str) -> str | None:
        """The argument, None if absent; raises BadRequest if it was given several times."""
        values = self._values.get(name, ())
        if len(values) > 1:
            raise BadRequest(f"Parameter {name} was given several times")
        return values[0] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of an argument that may be repeated."""
        return tuple(self._values.get(name, ()))

    def integer(self, name: str) -> int | None:
        """The argument as a whole number, None if absent; raises InvalidInput if it is none."""
        text = self.text(name)
        return None if text is None else integer(name, text)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """The argument as yes or no; what is neither counts as no, as it did in Ceilometer."""
        text = self.text(name)
        return default if text is None else text.strip().lower() in _TRUE

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of `q`, joined by position; absent operators and types are empty."""
        return tuple(
            Condition(field=field, op=op, type=kind, value=value)
            for field, op, kind, value in self._rows("q")
        )

    def aggregates(self) -> tuple[Aggregate, ...]:
        """The pairs of `aggregate`: the n-th parameter belongs to the n-th function; duplicates removed."""
        functions = self.texts("aggregate.func")
        parameters = self.texts("aggregate.param")
        if len(parameters) > len(functions):
            raise BadRequest("There are more aggregate.param than aggregate.func")
        padded = parameters + ("",) * (len(functions) - len(parameters))
        return tuple(dict.fromkeys(map(Aggregate, functions, padded)))

    def _rows(self, name: str) -> list[tuple[str, ...]]:
        parts = _OBJECTS[name]
        columns = {part: self.texts(f"{name}.{part}") for part in parts}
        length = max(map(len, columns.values()))
        if length > MAX_CONDITIONS:
            raise BadRequest(f"There are more than {MAX_CONDITIONS} conditions in the query")
        for part, column in columns.items():
            if len(column) != length and (column or part in {"field", "value"}):
                raise BadRequest(f"{name}.{part} must be given once for every condition")
        return list(zip(*(columns[part] or ("",) * length for part in parts), strict=True))


@cache
def _names(known: tuple[str, ...]) -> frozenset[str]:
    """What these arguments are called in a query string."""
    return frozenset(
        f"{name}.{part}" if part else name for name in known for part in _OBJECTS.get(name, ("",))
    )


def integer(name: str, text: str) -> int:
    """The whole number a text spells; raises InvalidInput."""
    try:
        if len(text) > MAX_INTEGER_DIGITS:
            raise ValueError("too long")
        return int(text)
    except ValueError as error:
        raise InvalidInput(name, text[:MAX_INTEGER_DIGITS], "unable to convert to int") from error


def json_value(content: bytes) -> object:
    """The JSON value of a body; raises BadRequest with the place and kind of what is wrong."""
    try:
        return parse(content)
    except InvalidMessage as error:
        raise BadRequest(f"Invalid request body: {error}") from error


async def arguments(request: Request) -> Arguments:
    """The arguments of this request; one given both in the URL and in the body is refused."""
    content, text = await body(request), request.scope["query_string"]
    if not content:
        return (_known_string if len(text) <= FEW * SHORT else _of_string)(text)
    values = _values(text)
    if request.method == "GET":
        for name, texts in _from_body(json_value(content)).items():
            if name in values:
                raise BadRequest(f"Parameter {name} was given several times")
            values[name] = texts
    return Arguments(values)


Asked = Annotated[Arguments, Depends(arguments)]


def _of_string(text: bytes) -> Arguments:
    return Arguments(_values(text))


_known_string: Final = lru_cache(1024)(_of_string)


def _values(text: bytes) -> dict[str, list[str]]:
    """What a query string says: the values of each name."""
    values: dict[str, list[str]] = {}
    for piece in text.decode("latin-1").split("&"):
        for name, value in _known_pairs(piece) if len(piece) <= SHORT else _pairs(piece):
            values.setdefault(name, []).append(value)
    return values


def _pairs(piece: str) -> tuple[tuple[str, str], ...]:
    """What a piece of the query string between `&` says: nothing, or one value of a name."""
    name, equals, value = piece.partition("=")
    if equals and "%" not in piece and "+" not in piece:  # as most are, and it takes a tenth of the time
        return ((name, clean(value)),)
    return tuple((name, clean(value)) for name, value in parse_qsl(piece, keep_blank_values=True))


_known_pairs: Final = lru_cache(4096)(_pairs)


def _from_body(body: object) -> dict[str, list[str]]:
    if not isinstance(body, dict):
        raise BadRequest("Invalid request body: a JSON object is expected")
    values: dict[str, list[str]] = {}
    for name, value in body.items():
        if name in _OBJECTS:
            values.update(_columns(name, value))
        elif isinstance(value, list):
            values[name] = [_text(name, item) for item in value]
        elif value is not None:
            values[name] = [_text(name, value)]
    return values


def _columns(name: str, rows: object) -> dict[str, list[str]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(name, "", "a list of objects is expected")
    parts = _OBJECTS[name]
    for row in rows:
        for part in row:
            if part not in parts:
                raise UnknownArgument(f"{name}.{part}")
    return {f"{name}.{part}": [_text(part, row.get(part)) for row in rows] for part in parts}


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return clean(str(value))
    raise InvalidInput(name, "", "a text or a number is expected")
