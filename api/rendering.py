"""How errors look on the wire: the bodies of Ceilometer's v2 API."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.errors import ApiError, BadRequest, Unavailable
from collector.errors import PublisherUnavailable
from storage.errors import DatabaseUnavailable, DataRefused, SchemaMismatch


def render(error: ApiError) -> Response:
    """The answer for a refused request."""
    if error.is_text:
        return _answer(error.status, error.faultstring, error.headers)
    fault = {
        "debuginfo": None,
        "faultcode": "Server" if error.status >= 500 else "Client",
        "faultstring": error.faultstring,
    }
    return _answer(error.status, fault, error.headers)


def install(app: FastAPI) -> None:
    """Make every error of a handler leave in this form."""
    app.exception_handler(ApiError)(_refused)
    app.exception_handler(HTTPException)(_aborted)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(DatabaseUnavailable)(_database_unavailable)
    app.exception_handler(SchemaMismatch)(_database_unavailable)
    app.exception_handler(DataRefused)(_data_refused)
    app.exception_handler(PublisherUnavailable)(_database_unavailable)


def internal_error() -> Response:
    """The answer for a fault of ours: says nothing about the inside."""
    return render(ApiError(500, "Internal Server Error"))


def _refused(_: Request, error: ApiError) -> Response:
    return render(error)


def _aborted(request: Request, error: HTTPException) -> Response:
    title = f"{error.status_code} {HTTPStatus(error.status_code).phrase}"
    if error.status_code == 405:
        explanation = f"The method {request.method} is not allowed for this resource."
        return _answer(405, f"{title}\n\n{explanation}", {"Allow": ", ".join(_methods(request))})
    explanation = "The resource could not be found." if error.status_code == 404 else str(error.detail)
    return _answer(error.status_code, f"{title}\n\n{explanation}", error.headers or {})


def _methods(request: Request) -> list[str]:
    """Every method any route has for this path; the router itself only tells those of the first."""
    routes = [context.original_route for context in iter_route_contexts(request.app.routes)]
    found = {
        method
        for route in routes
        if isinstance(route, APIRoute) and route.path_regex.match(request.scope["path"])
        for method in route.methods or ()
    }
    return sorted(found)


def _invalid(_: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return render(BadRequest(f"{place}: {first['msg']}" if place else str(first["msg"])))


def _database_unavailable(_: Request, __: Exception) -> Response:
    return render(Unavailable("The database is not available"))


def _data_refused(_: Request, __: Exception) -> Response:
    return render(BadRequest("The database refuses this data"))


def _answer(status: int, message: object, headers: Mapping[str, str]) -> Response:
    body = json.dumps({"error_message": message})
    return Response(body, status, headers=dict(headers), media_type="application/json")
