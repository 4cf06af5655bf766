"""What the OpenAPI document says about the arguments; they are read by `api.v2.arguments`, not by FastAPI."""

from collections.abc import Mapping
from typing import Any

Described = dict[str, Any]  # OpenAPI is JSON, and FastAPI takes it as such


def described(*names: str) -> Described:
    """The `openapi_extra` of a route with these arguments."""
    return {"parameters": [_parameter(name, *described) for name in names for described in _ARGUMENTS[name]]}


def _parameter(owner: str, suffix: str, kind: str, description: str) -> Described:
    schema: Described = {"type": kind}
    if owner in {"q", "groupby", "aggregate", "sort"}:
        schema = {"type": "array", "items": schema}
    return {
        "name": f"{owner}{suffix}",
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


_ARGUMENTS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "q": (
        (".field", "string", "Field of a condition; repeat q.* for several, all must hold."),
        (".op", "string", "lt, le, eq, ne, ge or gt; empty is eq. Only timestamp takes others than eq."),
        (".type", "string", "integer, float, string, boolean or datetime; empty is guessed for metadata."),
        (".value", "string", "Value of the condition."),
    ),
    "limit": (("", "integer", "Rows to answer at most."),),
    "sort": (("", "string", "generated or message_id, each with :asc or :desc."),),
    "marker": (("", "string", "Message id of an event: those that follow it are answered."),),
    "unique": (("", "boolean", "Each meter once instead of once for each resource."),),
    "meter_links": (("", "integer", "0 leaves out the links to the meters."),),
    "period": (("", "integer", "Seconds of a period; absent or 0: one period from first to last sample."),),
    "groupby": (
        ("", "string", "user_id, resource_id, project_id, source or resource_metadata.instance_type."),
    ),
    "aggregate": (
        (".func", "string", "avg, sum, min, max, count, stddev or cardinality."),
        (".param", "string", "For cardinality: resource_id, user_id or project_id."),
    ),
    "direct": (("", "boolean", "Taken for compatibility: samples are always stored before the answer."),),
}
