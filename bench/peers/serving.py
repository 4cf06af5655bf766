"""How peers serve HTTP: as the product does, so that only what is behind it differs."""

from collections.abc import Callable
from typing import Any

import uvicorn


def serve(app: Callable[..., Any], port: str) -> None:  # Any: an ASGI application
    """Serves on loopback until it is told to stop."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
