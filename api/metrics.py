"""What the API counts about itself, and the page Prometheus reads."""

from functools import cache

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.responses import Response

from api.dependencies import Parts
from api.policy import anybody

router = APIRouter()

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ApiMetrics:
    """Requests by method, route template and status: never by path, which callers choose."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "nephometer_api_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "nephometer_api_request_seconds", "Time to answer a request.", ("route",), registry=registry
        )
        self._of = cache(self._find)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request."""
        requests, times = self._of(method if method in _METHODS else "other", route, status)
        requests.inc()
        times.observe(seconds)

    def _find(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Those with these labels; to look them up takes longer than to count."""
        return self._requests.labels(method, route, str(status)), self._seconds.labels(route)


@router.get("/metrics", dependencies=[anybody()], include_in_schema=False)
def metrics(parts: Parts) -> Response:
    """Every metric of this process in Prometheus' text format."""
    return Response(generate_latest(parts.registry), media_type=CONTENT_TYPE_LATEST)
