"""Whether this server lives, and whether it is ready to answer."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from api.dependencies import Parts
from api.policy import anybody

router = APIRouter(tags=["health"])


class Finding(BaseModel):
    """One check and, when it is not well, why."""

    name: str
    ok: bool
    reason: str | None


class Readiness(BaseModel):
    """All checks; ready only if every one is well."""

    ready: bool
    checks: list[Finding]


@router.get("/healthz", dependencies=[anybody()])
@router.get("/healthcheck", dependencies=[anybody()], include_in_schema=False)
async def healthz() -> dict[str, str]:
    """The process lives; says nothing about the database."""
    return {"status": "ok"}


@router.get(
    "/readyz", dependencies=[anybody()], responses={200: {"model": Readiness}, 503: {"model": Readiness}}
)
def readyz(parts: Parts) -> Response:
    """503 with the reasons unless everything this server needs is well."""
    reasons = {check.name: check.check() for check in parts.readiness}
    findings = [Finding(name=name, ok=reason is None, reason=reason) for name, reason in reasons.items()]
    readiness = Readiness(ready=all(finding.ok for finding in findings), checks=findings)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)
