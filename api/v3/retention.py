"""GET /v3/retention: how far back answers go."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.dependencies import Parts
from api.policy import may

router = APIRouter(tags=["retention"])


class Retention(BaseModel):
    """Where what is kept begins, RFC 3339; null: nothing was forgotten yet.

    Before `raw_from` there are no samples, but statistics of whole hours, back to `hourly_from`.
    """

    raw_from: str | None
    hourly_from: str | None


@router.get("/v3/retention", dependencies=[may("telemetry:get_capabilities")])
def get_retention(parts: Parts) -> Retention:
    """Where samples and hourly figures begin."""
    kept = parts.kept()
    return Retention(raw_from=_text(kept.raw_from), hourly_from=_text(kept.hourly_from))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
