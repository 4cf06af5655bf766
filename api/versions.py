"""GET /: the versions of this API, as OpenStack clients look for them."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.dependencies import Parts, base_url
from api.policy import anybody

router = APIRouter(tags=["versions"])


@router.get("/", dependencies=[anybody()])
async def versions(request: Request, parts: Parts) -> Response:
    """The version document; python-ceilometerclient asks for it before it sends alarm commands."""
    base = base_url(request, parts.settings)
    v2 = {
        "id": "v2",
        "links": [
            {"href": f"{base}/v2", "rel": "self"},
            {"href": f"{base}/docs", "rel": "describedby", "type": "text/html"},
        ],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.telemetry-v2+json"},
        ],
        "status": "stable",
        "updated": "2013-02-13T00:00:00Z",
    }
    return JSONResponse({"versions": {"values": [v2]}})
