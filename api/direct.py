"""Plain GET routes without FastAPI on their way.

It asks eight middlewares, looks through every router for each request, and works out anew what handlers depend on:
0.25 ms (2026-11), which is more than a small question takes. The routes remain its own: it describes them, and serves
what is not plain. What a handler refuses is answered there, too.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, get_args, get_origin

from fastapi import Request, params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.headers import has_no_body, header
from api.metrics import ApiMetrics
from api.middleware import Tracing

PLAIN: Final = "/v2/"

_FAILED: Final = "nephometer.failed"

_Rule = Callable[[Request], Awaitable[Any]]  # Any: whatever the handler gets of it


@dataclass(frozen=True, slots=True)
class _Plain:
    """A route: what is asked of a request before its handler runs, and what the handler then gets."""

    route: APIRoute
    pattern: re.Pattern[str]
    rules: Sequence[_Rule]
    arguments: Mapping[str, _Rule]
    takes_request: bool
    is_coroutine: bool

    async def answer(self, request: Request) -> Response:
        """Runs the handler: in a thread unless it is a coroutine, as FastAPI does."""
        for rule in self.rules:
            await rule(request)
        given = {name: await rule(request) for name, rule in self.arguments.items()}
        if self.takes_request:
            given["request"] = request
        given |= request.path_params
        handler = self.route.endpoint
        response: Response = await (
            handler(**given) if self.is_coroutine else run_in_threadpool(handler, **given)
        )
        return response

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; what it raises is answered by `app`, in which `Refused` raises it again."""
        try:
            response = await self.answer(Request(scope, receive, send))
        except Exception as error:  # noqa: BLE001 - handed on
            scope[_FAILED] = error
            await app(scope, receive, send)
        else:
            await response(scope, receive, send)


class Direct:
    """Serves plain routes, with what surrounds every request; hands everything else on to `app`, which is FastAPI.

    `is_ours` tells whether a request for this host is served at all.
    """

    def __init__(
        self, app: ASGIApp, routes: Sequence[BaseRoute], metrics: ApiMetrics, is_ours: Callable[[str], bool]
    ) -> None:
        self.app = app
        self._is_ours = is_ours
        contexts = [
            context
            for context in iter_route_contexts(routes)
            if "GET" in (context.methods or ()) and (context.path or "").startswith(PLAIN)
        ]
        self._routes = [
            (
                context.path_regex,
                plain,
                None if plain is None else Tracing(partial(plain.serve, app), metrics),
            )
            for context in contexts
            for plain in [_plain(context)]
        ]

    @property
    def routes(self) -> list[APIRoute]:
        """The plain ones, in the order they are tried."""
        return [plain.route for _, plain, _ in self._routes if plain is not None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        await (self._match(scope) or self.app)(scope, receive, send)

    def _match(self, scope: Scope) -> ASGIApp | None:
        """The route FastAPI would take, if it is plain: the first that matches. Bodies and odd paths are not."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        path = scope["path"]
        if not path.startswith(PLAIN) or path.endswith("/") or not self._is_plain(scope):
            return None
        for pattern, plain, traced in self._routes:
            match = pattern.match(path)
            if match is not None:
                if plain is not None:
                    scope["route"], scope["path_params"] = plain.route, match.groupdict()
                return traced
        return None

    def _is_plain(self, scope: Scope) -> bool:
        """Whether the request is for us and has no body."""
        return has_no_body(scope) and self._is_ours(header(scope, b"host") or "")


class Refused:
    """Raises what a plain route raised, where errors are answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        error = scope.pop(_FAILED, None)
        if error is not None:
            raise error
        await self._app(scope, receive, send)


def _plain(context: RouteContext) -> _Plain | None:
    """The route, unless something about it needs FastAPI."""
    route = context.original_route
    if not isinstance(route, APIRoute):
        return None
    rules = [_rule(depends) for depends in context.dependencies]
    arguments: dict[str, _Rule | None] = {}
    takes_request = False
    for name, parameter in inspect.signature(route.endpoint).parameters.items():
        if parameter.annotation is Request:
            takes_request = True
        elif parameter.annotation is not str or name not in context.path_regex.groupindex:
            arguments[name] = _rule(next(iter(_annotations(parameter)), None))
    known = {name: rule for name, rule in arguments.items() if rule is not None}
    asked = [rule for rule in rules if rule is not None]
    if len(known) < len(arguments) or len(asked) < len(rules):
        return None
    is_coroutine = inspect.iscoroutinefunction(route.endpoint)
    return _Plain(route, context.path_regex, asked, known, takes_request, is_coroutine)


def _annotations(parameter: inspect.Parameter) -> Sequence[object]:
    kind = parameter.annotation
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()


def _rule(depends: object) -> _Rule | None:
    """What it depends on, if that is a coroutine of the request and nothing else."""
    rule = depends.dependency if isinstance(depends, params.Depends) else None
    if rule is None or [*inspect.signature(rule).parameters] != ["request"]:
        return None
    # One written as a class is a coroutine where its `__call__` is.
    is_coroutine = any(map(inspect.iscoroutinefunction, (rule, type(rule).__call__)))
    return rule if is_coroutine else None
