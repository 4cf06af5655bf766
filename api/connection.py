"""A connection whose requests must arrive in time and in bounds, so that nobody can hold what all need."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


def patient_for(arrival_s: float, header_limit_bytes: int) -> type[HttpToolsProtocol]:
    """A protocol that closes connections on which a request, body included, takes longer than this to arrive.

    It refuses headers (and what follows a body in chunks) above a size. uvicorn itself only ends connections that stay
    silent after an answer, and httptools keeps a header of any size.
    """

    class Patient(HttpToolsProtocol):
        """uvicorn's protocol with a deadline for every request and a limit for its headers."""

        _passed = False  # something was handed on since the last look: headers, or a piece of a body
        _kept_bytes = 0  # what arrived since then, all of which the parser may keep

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            """Begins to wait for the first request."""
            super().connection_made(transport)
            self._due_s = self.loop.time() + arrival_s
            self._deadline = self.loop.call_at(self._due_s, self._close_if_waiting)

        def connection_lost(self, exc: Exception | None) -> None:
            """Waits no longer."""
            self._deadline.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Parses what arrived, unless it is more than headers may have."""
            self._passed = False
            super().data_received(data)
            self._kept_bytes = 0 if self._passed else self._kept_bytes + len(data)
            if self._kept_bytes > header_limit_bytes and not self.transport.is_closing():
                self.send_400_response("The headers are too large.")

        def on_headers_complete(self) -> None:
            """Passes the request on."""
            self._passed = True
            super().on_headers_complete()
            _send_whole(self.cycle)

        def on_body(self, body: bytes) -> None:
            """Passes a piece of its body on."""
            self._passed = True
            super().on_body(body)

        def on_response_complete(self) -> None:
            """Begins to wait for the next request."""
            self._due_s = self.loop.time() + arrival_s
            super().on_response_complete()

        def _close_if_waiting(self) -> None:
            cycle = self.cycle  # of the last request whose headers came
            now_s = self.loop.time()
            if now_s < self._due_s:
                self._deadline = self.loop.call_at(self._due_s, self._close_if_waiting)
            elif cycle is None or cycle.response_complete or cycle.more_body:
                self.transport.close()
            else:  # what is being answered: whatever comes after it is not due before
                self._deadline = self.loop.call_at(now_s + arrival_s, self._close_if_waiting)

    return Patient


def _send_whole(cycle: RequestResponseCycle) -> None:
    whole = _Whole(cycle)
    cycle.transport = whole  # type: ignore[assignment]  # all of a transport that a cycle uses
    cycle.on_response = whole.complete


class _Whole:
    """Where the cycle of a request writes: the head of its answer waits for the first piece of the body.

    uvloop writes what it is given at once, and whoever asked would be woken twice for one answer.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._complete = cycle.on_response
        self._head: bytes | None = None
        self._is_head_gone = False

    def write(self, data: bytes) -> None:
        """Keeps the head, sends everything else."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif (
            self._is_head_gone or not self._cycle.response_started
        ):  # a piece of a body; that the body may come
            self._transport.write(data)
        else:
            self._head, self._is_head_gone = data, True

    def flush(self) -> None:
        """Sends a head that nothing followed."""
        if self._head is not None:
            self.write(b"")

    def close(self) -> None:
        """Sends the head, if nobody has, and closes the connection."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As of the connection."""
        return self._transport.is_closing()

    def complete(self) -> None:
        """The answer is there; that of HEAD is its head alone."""
        self.flush()
        self._cycle.transport = self._transport  # so that nothing of this waits for the garbage collector
        self._complete()
