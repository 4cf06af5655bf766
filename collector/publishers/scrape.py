"""A page for Prometheus to scrape: the newest value of every series that is still alive."""

import base64
import hmac
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6

import structlog

from collector.errors import PublisherUnavailable
from collector.publishers.exposition import Series, newest, text
from collector.publishers.publisher import SAMPLES
from collector.publishers.target import Target
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TIMEOUT_S = 10

log = structlog.get_logger()


class Scrape:
    """prometheus+scrape://[user:password@]127.0.0.1:9105/metrics: kept in memory, so one collector should have it.

    A series is gone `max_age` (900) seconds after its last sample came, or when it is the longest unchanged of more
    than `max_series` (200000). The page is there from the first sample on.
    """

    takes = SAMPLES

    def __init__(self, target: Target, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.name, options = target.name, target.options
        self._age_s = options.whole("max_age", 900, 1, 86_400)
        self._most = options.whole("max_series", 200_000, 1, 10_000_000)
        options.done()
        self._address = (target.needs_host(), target.port or 9105)
        self._path = target.path if len(target.path) > 1 else "/metrics"
        login = None if target.user is None else f"{target.user}:{target.password or ''}"
        self._login = login and "Basic " + base64.b64encode(login.encode()).decode()
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._latest: dict[Series, tuple[Sample, float]] = {}  # the longest unchanged first
        self._is_full = False
        self._server: ThreadingHTTPServer | None = None

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Shows them; raises PublisherUnavailable while the address is somebody else's."""
        if not len(samples):
            return
        self._open()
        now_s = self._clock_s()
        with self._lock:
            for series, sample in newest(samples.samples()).items():
                known = self._latest.get(series)
                if known is None or known[0].timestamp <= sample.timestamp:
                    self._latest.pop(series, None)
                    self._latest[series] = (sample, now_s)
            self._forget(now_s)

    def page(self) -> bytes:
        """What is scraped now."""
        with self._lock:
            self._forget(self._clock_s())
            samples = [sample for sample, _ in self._latest.values()]
        return text(samples)

    def is_allowed(self, path: str, authorization: str) -> int:
        """The status of an answer: 200, 401 or 404."""
        if self._login is not None and not hmac.compare_digest(authorization.encode(), self._login.encode()):
            return 401
        return 200 if path.partition("?")[0] == self._path else 404

    def close(self) -> None:
        """Nobody is answered any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def _forget(self, now_s: float) -> None:
        over = len(self._latest) - self._most
        if (over > 0) and not self._is_full:
            log.warning("series_forgotten", publisher=self.name, advice="raise max_series")
        self._is_full = over > 0
        for series, (_, at_s) in list(self._latest.items()):
            if over <= 0 and now_s - at_s <= self._age_s:
                break
            del self._latest[series]
            over -= 1

    def _open(self) -> None:
        if self._server is not None:
            return
        kind = _Server6 if ":" in self._address[0] else _Server
        try:
            self._server = kind(self._address, _handler(self))
        except OSError as error:
            raise PublisherUnavailable(f"cannot listen there: {error.strerror or error}") from error
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="scrape", daemon=True
        ).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = AF_INET6


def _handler(page: Scrape) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_GET(self) -> None:
            status = page.is_allowed(self.path, self.headers.get("authorization", ""))
            body = page.page() if status == 200 else b""
            self.send_response(status)
            if status == 401:
                self.send_header("www-authenticate", 'Basic realm="samples"')
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: scrapes are many."""

    return Handler
