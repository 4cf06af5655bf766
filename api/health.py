"""Whether this server lives, and whether it is ready to answer."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from api.dependencies import Parts, Services
from api.errors import ApiError
from api.headers import header
from api.policy import anybody

router = APIRouter(tags=["health"])


class Finding(BaseModel):
    """One check and, when it is not well and an administrator asks, why."""

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
def readyz(request: Request, parts: Parts) -> Response:
    """503 unless everything this server needs is well; the log and administrators are told why it is not.

    Reasons name machines and hold drivers' words, which are nobody else's business.
    """
    reasons, tells = parts.watch.look(), _is_administrator(parts, header(request.scope, b"x-auth-token"))
    findings = [
        Finding(name=name, ok=reason is None, reason=reason if tells else None)
        for name, reason in reasons.items()
    ]
    readiness = Readiness(ready=all(finding.ok for finding in findings), checks=findings)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


def _is_administrator(parts: Services, token: str | None) -> bool:
    try:
        return parts.auth.identify(token).is_admin
    except ApiError:
        return False
