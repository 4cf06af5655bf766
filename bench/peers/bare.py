"""The limit of HTTP: uvicorn answering a body made beforehand, `/BYTES`. `python -m bench.peers.bare PORT`."""

import functools
import sys
from collections.abc import Awaitable, Callable, MutableMapping

from bench.peers.serving import serve

Message = MutableMapping[str, object]


async def app(
    scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """An ASGI application without any framework."""
    if scope["type"] != "http":
        return
    body = _body(int(str(scope["path"])[1:]))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@functools.cache
def _body(size: int) -> bytes:
    return b" " * size


def main(port: str) -> None:
    """Serves until it is told to stop."""
    serve(app, port)


if __name__ == "__main__":
    main(*sys.argv[1:])
