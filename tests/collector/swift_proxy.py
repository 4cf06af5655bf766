"""A proxy of Swift: a small WSGI application behind the real ceilometermiddleware, as a program of its own.

Argument: broker URL. Input: a JSON list of requests with method, path, body, headers and the answer the store gives.
"""

import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import WSGIEnvironment

from ceilometermiddleware import swift


class Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def store(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
    """Takes what is sent and answers with as many bytes as the header X-Answer says."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    size = int(environ.get("HTTP_X_ANSWER", 0))
    start_response("200 OK", [("Content-Length", str(size))])
    return [b"x" * size]


def main() -> None:
    proxy = swift.filter_factory({"url": sys.argv[1].replace("amqp://", "rabbit://")})(store)
    with make_server("127.0.0.1", 0, proxy, handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for asked in json.load(sys.stdin):
            body = b"x" * asked["sends"]
            headers = asked["headers"] | {"X-Answer": str(asked["gets"])}
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.server_port}{asked['path']}", body, headers, method=asked["method"]
            )
            with urllib.request.urlopen(request) as answer:
                answer.read()
        server.shutdown()


if __name__ == "__main__":
    main()
