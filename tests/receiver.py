"""A webhook receiver for the tests: a plain HTTP server in a thread that remembers what it was sent."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: a status, headers and a body, after `delay` is set (None: at once)."""

    status: int = 204
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    delay: threading.Event | None = None


class Receiver:
    """Answers every request with the next of `answers`, then with the last one for ever; a context manager.

    An int stands for an answer of that status without a body. `url` is its address.
    """

    def __init__(self, answers: Iterable[int | Answer] = (204,), *, host: str = "127.0.0.1") -> None:
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self.answer(*answers)
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, *answers: int | Answer) -> None:
        """Answer the coming requests like this."""
        with self._changed:
            self._answers = [Answer(status) if isinstance(status, int) else status for status in answers]

    @property
    def received(self) -> list[Received]:
        """Every request so far, oldest first."""
        with self._changed:
            return list(self._received)

    def wait(self, count: int = 1, timeout_s: float = 30.0) -> list[Received]:
        """The requests so far, once there are at least `count`; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._received) >= count, timeout_s):
                raise TimeoutError(f"{len(self._received)} of {count} requests after {timeout_s} s")
            return list(self._received)

    def _take(self, received: Received) -> Answer:
        with self._changed:
            self._received.append(received)
            self._changed.notify_all()
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = take(Received(self.command, self.path, headers, body))
                if answer.delay is not None:
                    answer.delay.wait(60)
                self.send_response(answer.status)
                for name, value in (answer.headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = _serve  # noqa: N815  (their names in the library)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name in the library)
                """Say nothing: the tests ask `received`."""

        return Handler
