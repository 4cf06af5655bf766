"""The body of a complex query: a filter and an order, JSON each inside a text, and a limit that may be one, too."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from api.errors import BadRequest, InvalidInput, TooLarge, UnknownArgument
from api.v2.arguments import integer, json_value
from api.v2.expressions import Fields, read_filter, read_order
from storage.expression import EVERYTHING, Expression, Sorting
from storage.query import Scope

MAX_BYTES: Final = 64 * 1024
_KNOWN: Final = ("filter", "orderby", "limit")


class ComplexQuery(BaseModel):
    """What the OpenAPI document says of the body; it is read here, not by FastAPI."""

    model_config = ConfigDict(extra="forbid")

    filter: str | None = Field(
        None,
        description="JSON: and, or, not, =, !=, <, <=, >, >=, =~ and in, each an object of one key.",
        examples=['{"and": [{"=": {"meter": "cpu"}}, {">": {"timestamp": "2026-11-01T00:00:00"}}]}'],
    )
    orderby: str | None = Field(
        None, description="JSON: a list of {field: asc or desc}.", examples=['[{"timestamp": "desc"}]']
    )
    limit: int | str | None = Field(None, description="Rows to answer at most.", examples=[10])


DESCRIBED: Final[dict[str, Any]] = {  # Any: OpenAPI
    "requestBody": {"content": {"application/json": {"schema": ComplexQuery.model_json_schema()}}}
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A complex query that was read; `limit` is None where none was given."""

    expression: Expression
    order: tuple[Sorting, ...]
    limit: int | None


def read(content: bytes, fields: Fields, scope: Scope) -> Asked:
    """What a body asks; raises BadRequest, TooLarge or NotAuthorized."""
    if len(content) > MAX_BYTES:
        raise TooLarge(MAX_BYTES)
    body = json_value(content) if content else {}
    if not isinstance(body, dict):
        raise BadRequest("Invalid request body: a JSON object is expected")
    for name in body:
        if name not in _KNOWN:
            raise UnknownArgument(name)
    asked, order = _text(body, "filter"), _text(body, "orderby")
    return Asked(
        EVERYTHING if asked is None else read_filter(asked, fields, scope),
        () if order is None else read_order(order, fields),
        _limit(body.get("limit")),
    )


def _text(body: dict[str, object], name: str) -> str | None:
    text = body.get(name)
    if text is not None and not isinstance(text, str):
        raise InvalidInput(name, "", "JSON inside a text is expected")
    return text


def _limit(asked: object) -> int | None:
    if asked is None:
        return None
    if isinstance(asked, bool) or not isinstance(asked, (int, str)):
        raise InvalidInput("limit", asked, "unable to convert to int")
    return integer("limit", str(asked))
