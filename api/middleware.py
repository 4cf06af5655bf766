"""What surrounds every request: its id, its size, its log line, its headers."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import is_loopback
from api.errors import TooLarge, UnknownHost
from api.headers import header
from api.metrics import ApiMetrics
from api.rendering import render

_GLOBAL_ID: Final = re.compile(r"req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Asked every few seconds by load balancers and Prometheus: worth a line only when the answer is bad.
_PROBES: Final = frozenset({"/healthz", "/healthcheck", "/readyz", "/metrics"})
_REQUEST_ID: Final = b"x-openstack-request-id"
_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_NAMES: Final = frozenset({_REQUEST_ID, *(name for name, _ in _SAFE)})


class Tracing:
    """Gives a request its id, counts it, logs it and makes the answer safe for browsers.

    The log line holds the route's template and never the path, the query or a header value: they may hold
    secrets. A valid X-Openstack-Request-Id of the caller is logged beside ours.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger().bind()  # to find out anew how to log takes longer than to do it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or "request_id" in scope.setdefault("state", {}):  # already traced
            await self._app(scope, receive, send)
            return
        request_id = scope["state"]["request_id"] = f"req-{uuid.uuid4()}"
        status = 500
        started = time.monotonic()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_headers(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            seconds, route = time.monotonic() - started, route_of(scope)
            self._metrics.answered(scope["method"], route, status, seconds)
            level = logging.DEBUG if route in _PROBES and status < 400 else logging.INFO
            if self._log.is_enabled_for(level):
                self._log.log(
                    level,
                    "request_answered",
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                    request_id=request_id,
                    **_global_id(scope),
                )


class BodyLimit:
    """Refuses bodies above a size, by what they declare and by what really arrives."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; while its body is read TooLarge may be raised."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = header(scope, b"content-length")
        declared = "0" if declared is None else declared
        if declared.isdecimal() and len(declared) < 20 and int(declared) <= self._limit_bytes:
            await self._app(scope, self._counted(receive), send)
        else:
            await render(TooLarge(self._limit_bytes), scope["path"])(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit_bytes:
                raise TooLarge(self._limit_bytes)
            return message

        return counted


class LoopbackHost:
    """Refuses requests for foreign host names, for an API that asks for no token."""

    def __init__(self, app: ASGIApp, is_ours: Callable[[str], bool]) -> None:
        self._app = app
        self._is_ours = is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not self._is_ours(header(scope, b"host") or ""):
            await render(UnknownHost(), scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)


def ours(public_url: str | None) -> Callable[[str], bool]:
    """Tells whether a Host header names this very machine, or what the API is known as.

    A web page can point its own name at 127.0.0.1 and then read, in a visitor's browser, what listens there
    (DNS rebinding). The browser still sends the page's name as Host.
    """
    public_host = urlsplit(public_url).hostname if public_url else None

    @lru_cache(1000)
    def is_ours(host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return not host or (name is not None and (is_loopback(name) or name == public_host))

    return is_ours


class TrailingSlash:
    """Takes one slash off the end of a /v2 path, as Ceilometer did; an encoded one belongs to an id and stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and scope["path"].startswith("/v2/") and scope["path"].endswith("/"):
            raw = scope.get("raw_path") or b"/"
            if raw.endswith(b"/"):
                scope = {**scope, "path": scope["path"][:-1], "raw_path": raw[:-1]}
        await self._app(scope, receive, send)


def with_headers(headers: Collection[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers, the request id and those of the headers browsers need that it does not have."""
    own = (_REQUEST_ID, request_id.encode())
    if _NAMES.isdisjoint(name for name, _ in headers):
        return [*headers, own, *_SAFE]
    named = dict(headers)
    return [*headers, *(one for one in (own, *_SAFE) if one[0] not in named)]


def route_of(scope: Scope) -> str:
    """The template of the route that served a request, `unmatched` if none did."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "unmatched"


def _global_id(scope: Scope) -> dict[str, str]:
    given = header(scope, _REQUEST_ID)
    return {"global_request_id": given} if given and _GLOBAL_ID.fullmatch(given) else {}
