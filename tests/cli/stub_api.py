"""A tiny HTTP server that gives recorded v2 answers and remembers what it was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from tests.web import Reply, Request, WebServer

NOT_FOUND = Reply(
    404,
    b'{"error_message": {"debuginfo": null, "faultcode": "Client", "faultstring": "Resource r9 Not Found"}}',
)


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
        self._answers: dict[tuple[str, str], Reply] = {}
        self._server = WebServer(self._answer)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def answer(self, method: str, path: str, document: object, status: int = 200) -> None:
        """From now on this request gets this document as JSON (bytes are sent as they are)."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._answers[method, path] = Reply(status, body)

    def _answer(self, request: Request) -> Reply:
        parts = urlsplit(request.path)
        parameters = parse_qsl(parts.query, keep_blank_values=True)
        document = json.loads(request.body) if request.body else None
        self.asked.append(Asked(request.method, parts.path, parameters, request.headers, document))
        return self._answers.get((request.method, parts.path), NOT_FOUND)
