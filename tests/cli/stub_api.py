"""A tiny HTTP server that gives recorded v2 answers and remembers what it was asked."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `path` as sent, its parameters in order, its JSON body (None without one)."""

    method: str
    path: str
    parameters: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: object


class StubApi:
    """Answers each (method, path) with the status and body it was told, else 404 as the API words it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

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

    def answer(self, method: str, path: str, document: object, status: int = 200) -> None:
        """From now on this request gets this document as JSON (bytes are sent as they are)."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._answers[method, path] = (status, body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        asked, answers = self.asked, self._answers

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                parameters = parse_qsl(parts.query, keep_blank_values=True)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked.append(
                    Asked(self.command, parts.path, parameters, headers, json.loads(body) if body else None)
                )
                status, answer = answers.get((self.command, parts.path), NOT_FOUND)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  (their names in the library)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name in the library)
                """Say nothing: the tests look at `asked`."""

        return Handler


NOT_FOUND = (
    404,
    b'{"error_message": {"debuginfo": null, "faultcode": "Client", "faultstring": "Resource r9 Not Found"}}',
)
