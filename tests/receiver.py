"""A webhook receiver for the tests: a web server that remembers what it was sent."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.web import Reply, Request, WebServer


class Receiver:
    """Answers every request with the next of `replies`, then with the last one for ever; a context manager.

    An int stands for a reply of that status without a body. `url` is its address.
    """

    def __init__(self, replies: Iterable[int | Reply] = (204,), *, host: str = "127.0.0.1") -> None:
        self._changed = threading.Condition()
        self._received: list[Request] = []
        self.answer(*replies)
        self._server = WebServer(self._take, host=host)
        self.port = self._server.port
        self.url = f"http://{host}:{self.port}/hook"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def answer(self, *replies: int | Reply) -> None:
        """Answer the coming requests like this."""
        with self._changed:
            self._replies = [Reply(status) if isinstance(status, int) else status for status in replies]

    @property
    def received(self) -> list[Request]:
        """Every request so far, oldest first."""
        with self._changed:
            return list(self._received)

    def wait(self, count: int = 1, timeout_s: float = 30.0) -> list[Request]:
        """The requests so far, once there are at least `count`; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._received) >= count, timeout_s):
                raise TimeoutError(f"{len(self._received)} of {count} requests after {timeout_s} s")
            return list(self._received)

    def _take(self, request: Request) -> Reply:
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
