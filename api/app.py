"""The API as one application: every route, every middleware, nothing built elsewhere."""

from collections.abc import Callable
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response

from api import documentation, health, metrics, rendering, versions
from api.auth import Everybody
from api.dependencies import Services, check_accept, check_parameters
from api.direct import Direct, Refused
from api.faults import answer_fault
from api.metrics import ApiMetrics
from api.middleware import BodyLimit, LoopbackHost, Tracing, TrailingSlash, ours
from api.policy import anybody
from api.settings import ApiSettings
from api.v2 import alarms, capabilities, events, meters, queries, resources, samples, statistics
from api.v3 import retention, segments, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    versions.router,
    health.router,
    metrics.router,
    documentation.router,
)
V2_ROUTERS: tuple[APIRouter, ...] = (
    statistics.router,
    meters.router,
    samples.router,
    resources.router,
    capabilities.router,
    alarms.router,
    events.router,
    queries.router,
)
V3_ROUTERS: tuple[APIRouter, ...] = (retention.router, segments.router, webhooks.router)


def create_app(services: Services) -> FastAPI:
    """The application of these services; it opens nothing until it is asked."""
    counted = ApiMetrics(services.registry)
    is_ours = ours(services.settings.public_url) if isinstance(services.auth, Everybody) else _anything
    app = FastAPI(
        title="Nephometer",
        version=version("nephometer"),
        description="Usage metering for OpenStack clouds.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # api.middleware has our own
        middleware=_middleware(services.settings, counted, is_ours),
    )
    app.state.services = services
    rendering.install(app)
    app.exception_handler(Exception)(answer_fault)
    for router in V2_ROUTERS:
        app.include_router(router, dependencies=[Depends(check_accept)])
    for router in V3_ROUTERS:
        app.include_router(router, dependencies=[Depends(check_parameters)])
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route(
        "/openapi.json", _openapi, dependencies=[anybody()], include_in_schema=False, name="openapi"
    )
    app.router.middleware_stack = Refused(app.router.middleware_stack)
    app.middleware_stack = Direct(app.build_middleware_stack(), app.routes, counted, is_ours)
    return app


def _middleware(
    settings: ApiSettings, counted: ApiMetrics, is_ours: Callable[[str], bool]
) -> list[Middleware]:
    """Outermost first."""
    return [
        Middleware(TrailingSlash),
        Middleware(Tracing, metrics=counted),
        Middleware(BodyLimit, limit_bytes=settings.max_body_bytes),
        Middleware(LoopbackHost, is_ours=is_ours),
    ]


def _anything(_host: str) -> bool:
    """Whoever has a token may call this machine as he likes."""
    return True


async def _openapi(request: Request) -> Response:
    """The OpenAPI document of this application."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())
