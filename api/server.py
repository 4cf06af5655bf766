"""Serves the API over HTTP until it is told to stop."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio.to_thread
import structlog
import uvicorn
from starlette.types import ASGIApp

from api.connection import patient_for
from api.errors import CannotListen
from api.settings import ApiSettings

DRAIN_S = 5  # what is being answered may end; well below the ten seconds a role has to stop
IDLE_S = 5
ARRIVAL_S = 20.0  # from the first byte of a connection, or the last answer, to the last byte of a request
HEADER_LIMIT_BYTES = 65_536

log = structlog.get_logger()


def serve(
    app: ASGIApp,
    settings: ApiSettings,
    stop: threading.Event,
    on_started: Callable[[str], None] | None = None,
    *,
    arrival_s: float = ARRIVAL_S,
) -> None:
    """Answers requests from the calling thread, and returns within ten seconds after `stop` is set.

    `on_started` gets the URL once connections are taken (of use when `api.port` is 0). Signals are left to
    the caller. Raises CannotListen if the address cannot be listened on.
    """
    with _listen(settings) as listener:
        url = _url(listener)
        config = uvicorn.Config(
            app,
            http=patient_for(arrival_s, HEADER_LIMIT_BYTES),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # requests and faults are logged by our middleware
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
        started = [lambda: log.info("api_started", url=url)]
        if on_started is not None:
            started.append(lambda: on_started(url))
        _Server(config, settings.worker_threads, stop, started).run(sockets=[listener])
    log.info("api_stopped", url=url)


class _Server(uvicorn.Server):
    """A uvicorn server stopped by an event, so that it can run in any thread."""

    def __init__(
        self,
        config: uvicorn.Config,
        worker_threads: int,
        stop: threading.Event,
        started: list[Callable[[], None]],
    ) -> None:
        super().__init__(config)
        self._worker_threads = worker_threads
        self._stop = stop
        self._on_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes connections, then tells whoever wants to know."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = self._worker_threads
        await super().startup(sockets)
        gc.freeze()  # half a million objects that stay: a collection in the middle of an answer need not look at them
        for tell in self._on_started:
            tell()

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop; asked ten times a second."""
        return await super().on_tick(counter) or self._stop.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the program."""
        yield


@contextmanager
def _listen(settings: ApiSettings) -> Iterator[socket.socket]:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, settings.port), family=family, backlog=1024)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # create_server repeats the address
        raise CannotListen(
            f"cannot listen on {settings.host}:{settings.port}: {reason} (api.host, api.port)"
        ) from error
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
