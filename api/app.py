"""The API as one application: every route, every middleware, nothing built elsewhere."""

from fastapi import APIRouter, FastAPI

from api import rendering
from api.dependencies import Services

ROUTERS: tuple[APIRouter, ...] = ()


def create_app(services: Services) -> FastAPI:
    """The application of these services; it opens nothing until it is asked."""
    app = FastAPI(title="Nephometer", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    rendering.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
