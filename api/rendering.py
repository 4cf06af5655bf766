"""How errors look on the wire: Ceilometer's bodies, and problem details (RFC 9457) below /v3.

One tree of errors, one place that writes them down.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.dependencies import Services
from api.errors import ApiError, BadRequest, Unavailable
from collector.errors import PublisherUnavailable
from storage.errors import DatabaseUnavailable, DataRefused, SchemaMismatch, TookTooLong

NATIVE: Final = "/v3/"


def render(error: ApiError, path: str) -> Response:
    """The answer for a refused request to this path."""
    if path.startswith(NATIVE):
        return _problem(error.status, error.faultstring.partition("\n")[0], error.headers)
    if error.is_text:
        return _ceilometers(error.status, error.faultstring, error.headers)
    fault = {
        "faultcode": "Server" if error.status >= 500 else "Client",
        "faultstring": error.faultstring,
        "debuginfo": None,
    }
    return _ceilometers(error.status, fault, error.headers)


def install(app: FastAPI) -> None:
    """Make every error of a handler leave in this form."""
    app.exception_handler(ApiError)(_refused)
    app.exception_handler(ClientDisconnect)(_incomplete)
    app.exception_handler(HTTPException)(_aborted)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(DatabaseUnavailable)(_database_unavailable)
    app.exception_handler(TookTooLong)(_took_too_long)
    app.exception_handler(SchemaMismatch)(_schema_mismatch)
    app.exception_handler(DataRefused)(_data_refused)
    app.exception_handler(PublisherUnavailable)(_database_unavailable)


def internal_error(path: str) -> Response:
    """The answer for a fault of ours: says nothing about the inside."""
    return render(ApiError(500, "Internal Server Error"), path)


def _refused(request: Request, error: ApiError) -> Response:
    return render(error, request.scope["path"])


def _aborted(request: Request, error: HTTPException) -> Response:
    """What the router refuses: unknown paths and methods."""
    path, headers = request.scope["path"], dict(error.headers or {})
    explanation = str(error.detail)
    if error.status_code == 404:
        explanation = "The resource could not be found."
    if error.status_code == 405:
        explanation = f"The method {request.method} is not allowed for this resource."
        headers = {"Allow": ", ".join(_methods(request, path))}
    if path.startswith(NATIVE):
        return _problem(error.status_code, explanation, headers)
    title = f"{error.status_code} {HTTPStatus(error.status_code).phrase}"
    return _ceilometers(error.status_code, f"{title}\n\n{explanation}", headers)


def _methods(request: Request, path: str) -> list[str]:
    """Every method any route has for this path; the router itself only tells those of the first."""
    routes = [context.original_route for context in iter_route_contexts(request.app.routes)]
    found = {
        method
        for route in routes
        if isinstance(route, APIRoute) and route.path_regex.match(path)
        for method in route.methods or ()
    }
    return sorted(found)


def _incomplete(request: Request, _: Exception) -> Response:
    """For the count and the log: the caller went away before its body had arrived and reads no answer."""
    return _refused(request, BadRequest("The request did not arrive completely"))


def _invalid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    reason = str(first["msg"]).removeprefix("Value error, ")
    return _refused(request, BadRequest(f"{place}: {reason}" if place else reason))


def _database_unavailable(request: Request, error: Exception) -> Response:
    _doubt(request, error)
    return _refused(request, Unavailable("The database is not available"))


def _schema_mismatch(request: Request, error: Exception) -> Response:
    _doubt(request, error)
    return _refused(
        request,
        Unavailable(
            "The database has no schema, or an old one: whoever runs this server must run `nephometer db upgrade`"
        ),
    )


def _doubt(request: Request, error: Exception) -> None:
    """The caller is told what to do, the log why."""
    parts: Services = request.app.state.services
    parts.watch.doubt(str(error))


def _took_too_long(request: Request, _: Exception) -> Response:
    return _refused(
        request, Unavailable("The question takes the database too long: ask for less time or fewer groups")
    )


def _data_refused(request: Request, _: Exception) -> Response:
    return _refused(request, BadRequest("The database refuses this data"))


def _ceilometers(status: int, message: object, headers: Mapping[str, str]) -> Response:
    body = json.dumps({"error_message": message})
    return Response(body, status, headers=dict(headers), media_type="application/json")


def _problem(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    body = json.dumps(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    )
    return Response(body, status, headers=dict(headers), media_type="application/problem+json")
