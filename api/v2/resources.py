"""GET /v2/resources and /v2/resources/{id}."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import InScope, Parts, base_url
from api.errors import NotFound
from api.policy import may
from api.v2 import answer
from api.v2.arguments import Asked
from api.v2.parameters import described
from api.v2.query import RESOURCE_FIELDS, question
from api.v2.schemas import Resource
from collector.text import clean

router = APIRouter(tags=["resources"])


@router.get(
    "/v2/resources",
    dependencies=[may("telemetry:get_resources")],
    responses={200: {"model": list[Resource]}},
    openapi_extra=described("q", "limit", "meter_links"),
)
def list_resources(request: Request, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Resources with a sample that matches."""
    asked.check_names("q", "limit", "meter_links")
    wanted = question(asked.conditions, scope, RESOURCE_FIELDS)
    limit = answer.limit(asked.integer("limit"), parts.settings)
    with_meters = asked.integer("meter_links") != 0
    base = base_url(request, parts.settings)
    found = parts.resources.resources(wanted.query, limit)
    return answer.rows([Resource.of(summary, base, with_meters=with_meters) for summary in found])


@router.get(
    "/v2/resources/{resource_id:path}",
    dependencies=[may("telemetry:get_resource")],
    responses={200: {"model": Resource}},
)
def get_resource(resource_id: str, request: Request, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """One resource by its id, which may hold slashes."""
    asked.check_names()
    summary = parts.resources.resource(scope, clean(resource_id))
    if summary is None:
        raise NotFound("Resource", resource_id)
    return answer.one(Resource.of(summary, base_url(request, parts.settings), with_meters=True))
