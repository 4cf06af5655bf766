"""The API as one application: every route, every middleware, nothing built elsewhere."""

from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response

from api import documentation, health, metrics, rendering, versions
from api.auth import Everybody
from api.dependencies import Services, check_accept
from api.direct import Direct
from api.faults import answer_fault
from api.metrics import ApiMetrics
from api.middleware import BodyLimit, LoopbackHost, Tracing, TrailingSlash
from api.policy import anybody
from api.v2 import alarms, capabilities, meters, resources, samples, statistics
from api.v3 import retention, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    versions.router,
    health.router,
    metrics.router,
    documentation.router,
    retention.router,
    webhooks.router,
)
V2_ROUTERS: tuple[APIRouter, ...] = (
    statistics.router,
    meters.router,
    samples.router,
    resources.router,
    capabilities.router,
    alarms.router,
)


def create_app(services: Services) -> FastAPI:
    """The application of these services; it opens nothing until it is asked."""
    app = FastAPI(
        title="Nephometer",
        version=version("nephometer"),
        description="Usage metering for OpenStack clouds.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # api.middleware has our own
        middleware=_middleware(services),
    )
    app.state.services = services
    rendering.install(app)
    app.exception_handler(Exception)(answer_fault)
    for router in V2_ROUTERS:
        app.include_router(router, dependencies=[Depends(check_accept)])
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route(
        "/openapi.json", _openapi, dependencies=[anybody()], include_in_schema=False, name="openapi"
    )
    app.router.middleware_stack = Direct(app.router.middleware_stack, app.routes)
    return app


def _middleware(services: Services) -> list[Middleware]:
    """Outermost first."""
    settings = services.settings
    always = [
        Middleware(TrailingSlash),
        Middleware(Tracing, metrics=ApiMetrics(services.registry)),
        Middleware(BodyLimit, limit_bytes=settings.max_body_bytes),
    ]
    if isinstance(services.auth, Everybody):
        return [*always, Middleware(LoopbackHost, public_url=settings.public_url)]
    return always


async def _openapi(request: Request) -> Response:
    """The OpenAPI document of this application."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())
