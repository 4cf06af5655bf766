"""Answers as Ceilometer printed them: Python's own JSON, so that floats look the same byte for byte."""

import json
from collections.abc import Sequence

from pydantic import BaseModel
from starlette.responses import Response

from api.errors import BadRequest
from api.settings import ApiSettings


def rows(
    models: Sequence[BaseModel], status: int = 200, *, without: frozenset[str] = frozenset()
) -> Response:
    """A bare array; keys a model was not given are left out, and those that are named."""
    return _json([model.model_dump(exclude_unset=True, exclude={*without}) for model in models], status)


def text(content: str | bytes) -> Response:
    """JSON that is text already."""
    return Response(content, 200, media_type="application/json")


def one(model: BaseModel) -> Response:
    """A single object."""
    return _json(model.model_dump(exclude_unset=True), 200)


def limit(asked: int | None, settings: ApiSettings) -> int:
    """How many rows to answer; raises BadRequest for a limit that is not positive or above the maximum."""
    if asked is None:
        return settings.default_limit
    if asked <= 0:
        raise BadRequest("Limit must be positive")
    if asked > settings.max_limit:
        raise BadRequest(f"Limit must not be larger than {settings.max_limit}")
    return asked


def _json(content: object, status: int) -> Response:
    return Response(json.dumps(content, allow_nan=False), status, media_type="application/json")
