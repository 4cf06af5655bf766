"""The /metrics page of roles that have no API server."""

import threading

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from cli.errors import CliError
from cli.process import Part
from cli.settings import MetricsSettings

log = structlog.get_logger()


def metrics(settings: MetricsSettings, registry: CollectorRegistry) -> list[Part]:
    """The part that serves the page, if `metrics.port` is set; raises CliError when the port is taken."""
    if not settings.port:
        return []
    try:
        server, thread = start_http_server(settings.port, settings.host, registry)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CliError(
            f"cannot listen on {settings.host}:{settings.port}: {reason} (metrics.host, metrics.port)"
        ) from error

    def serve(stop: threading.Event) -> None:
        stop.wait()
        server.shutdown()
        server.server_close()
        thread.join()

    log.info("metrics_started", host=settings.host, port=settings.port)
    return [Part("metrics", serve)]
