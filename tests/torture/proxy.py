"""A TCP proxy to a database server that cuts connections around COMMIT."""

import contextlib
import selectors
import socket
import threading
from enum import Enum, auto
from types import TracebackType
from typing import Self

from sqlalchemy import make_url

COMMITS = (b"COMMIT\x00", b"\x03COMMIT")  # PostgreSQL's simple query and MariaDB's COM_QUERY
BUFFER = 1 << 16


class Cut(Enum):
    """Where a connection ends."""

    BEFORE = auto()  # the server never hears of the COMMIT
    AFTER = auto()  # it has done it, and the client never hears of that


class CuttingProxy:
    """Stands before the server of `url`; a context manager. `url` is how to get through it."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._server = (address.host or "127.0.0.1", address.port or 0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = address.set(port=self._listening.getsockname()[1]).render_as_string(hide_password=False)
        self._plan: list[Cut | None] = []
        self._lock = threading.Lock()
        self.cuts = 0
        self.commits = 0

    def plan(self, *cuts: Cut | None) -> None:
        """What becomes of the next COMMITs, one after the other; None and all after these go through."""
        with self._lock:
            self._plan = list(cuts)

    @property
    def is_over(self) -> bool:
        """Whether everything planned has happened."""
        with self._lock:
            return not self._plan

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(self._server) as server,
            selectors.DefaultSelector() as selector,
        ):
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(end, selectors.EVENT_READ)
            cut: Cut | None = None
            while True:
                for key, _ in selector.select():
                    is_question = key.fileobj is client
                    source, target = (client, server) if is_question else (server, client)
                    data = source.recv(BUFFER)
                    if is_question and any(commit in data for commit in COMMITS):
                        cut = self._next_cut()
                    if not data or cut is Cut.BEFORE or (cut is Cut.AFTER and not is_question):
                        return
                    target.sendall(data)

    def _next_cut(self) -> Cut | None:
        with self._lock:
            self.commits += 1
            cut = self._plan.pop(0) if self._plan else None
            self.cuts += cut is not None
            return cut
