"""A fault of ours while answering a request: the caller learns nothing of the inside, the log where it was."""

import traceback

import structlog
from starlette.requests import Request
from starlette.responses import Response

from api.middleware import route_of, with_headers
from api.rendering import internal_error

log = structlog.get_logger()


async def answer_fault(request: Request, error: Exception) -> Response:
    """A 500; logged by route, request id and place, without the error's own words, which may hold data."""
    request_id = getattr(request.state, "request_id", "")
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "request_failed",
        route=route_of(request.scope),
        request_id=request_id,
        error=type(error).__name__,
        places=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]],
    )
    response = internal_error(request.scope["path"])
    response.raw_headers = with_headers(response.raw_headers, request_id)
    return response
