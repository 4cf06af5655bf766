"""GET /v2/meters, GET and POST /v2/meters/{name}."""

from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import Body, Caller, InScope, Parts
from api.errors import BadRequest
from api.policy import may
from api.v2 import answer, sample_text
from api.v2.arguments import Asked, json_value
from api.v2.newest import newest
from api.v2.parameters import described
from api.v2.posting import read_samples
from api.v2.query import METER_FIELDS, SAMPLE_FIELDS, question
from api.v2.schemas import Meter, OldSample
from collector.text import clean
from storage.sample import StoredSample

router = APIRouter(tags=["meters"])


@router.get(
    "/v2/meters",
    dependencies=[may("telemetry:get_meters")],
    responses={200: {"model": list[Meter]}},
    openapi_extra=described("q", "limit", "unique"),
)
def list_meters(asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Meters, one entry for each resource that has them."""
    asked.check_names("q", "limit", "unique")
    wanted = question(asked.conditions, scope, METER_FIELDS)
    limit = answer.limit(asked.integer("limit"), parts.settings)
    found = parts.resources.meters(wanted.query, limit, unique=asked.flag("unique"))
    return answer.rows([Meter.of(summary) for summary in found])


@router.get(
    "/v2/meters/{name}",
    dependencies=[may("telemetry:get_samples")],
    responses={200: {"model": list[OldSample]}},
    openapi_extra=described("q", "limit"),
)
async def list_old_samples(name: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Samples of one meter that match, newest first; none for a meter nobody knows."""
    asked.check_names("q", "limit")
    wanted = question(asked.conditions, scope, SAMPLE_FIELDS)
    limit = answer.limit(asked.integer("limit"), parts.settings)
    query = replace(wanted.query, meter=clean(name))
    return await newest(parts.samples, query, limit, sample_text.OLD_SAMPLES)


@router.post(
    "/v2/meters/{name}",
    status_code=201,
    dependencies=[may("telemetry:create_samples")],
    responses={201: {"model": list[OldSample]}},
    openapi_extra=described("direct")
    | {"requestBody": {"content": {"application/json": {}}, "required": True}},
)
def post_samples(
    name: str, request: Request, asked: Asked, content: Body, caller: Caller, parts: Parts
) -> Response:
    """Stores samples of one meter: all of them, or none if one is no sample.

    Samples older than the retention are refused alone: the others stay, and sending all again counts none twice.
    """
    asked.check_names("direct")
    if not content:
        raise BadRequest("Samples should be included in request body")
    now = datetime.now(UTC)
    key = request.headers.get("idempotency-key")
    samples = read_samples(json_value(content), name, caller, now, key)
    refused = parts.pipeline.accept(samples, origin="api", now=now)
    if refused:
        raise BadRequest(f"Invalid sample: {refused[0].reason}")
    message_ids = parts.samples.identify(samples)
    kept = [StoredSample(*pair, recorded_at=now) for pair in zip(message_ids, samples, strict=True)]
    return answer.rows([OldSample.of(stored) for stored in kept], 201, without=frozenset({"recorded_at"}))
