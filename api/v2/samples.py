"""GET /v2/samples and /v2/samples/{id}."""

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import InScope, Parts
from api.errors import NotFound
from api.policy import may
from api.v2 import answer, sample_text
from api.v2.arguments import Asked
from api.v2.newest import newest
from api.v2.parameters import described
from api.v2.query import SAMPLE_FIELDS, question
from api.v2.schemas import Sample
from collector.text import clean

router = APIRouter(tags=["samples"])


@router.get(
    "/v2/samples",
    dependencies=[may("telemetry:get_samples")],
    responses={200: {"model": list[Sample]}},
    openapi_extra=described("q", "limit"),
)
async def list_samples(asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Samples that match, newest first."""
    asked.check_names("q", "limit")
    wanted = question(asked.conditions, scope, SAMPLE_FIELDS)
    limit = answer.limit(asked.integer("limit"), parts.settings)
    return await newest(parts.samples, wanted.query, limit, sample_text.SAMPLES)


@router.get(
    "/v2/samples/{message_id}",
    dependencies=[may("telemetry:get_sample")],
    responses={200: {"model": Sample}},
)
def get_sample(message_id: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """One sample by its message id."""
    asked.check_names()
    stored = parts.samples.get(scope, clean(message_id))
    if stored is None:
        raise NotFound("Sample", message_id)
    return answer.one(Sample.of(stored))
