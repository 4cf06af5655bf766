"""A connection whose requests must arrive in time and in bounds, so that nobody can hold what all need."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


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
            self._deadline = self.loop.call_later(arrival_s, self._close_if_waiting)

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

        def on_body(self, body: bytes) -> None:
            """Passes a piece of its body on."""
            self._passed = True
            super().on_body(body)

        def on_response_complete(self) -> None:
            """Begins to wait for the next request."""
            self._deadline.cancel()
            self._deadline = self.loop.call_later(arrival_s, self._close_if_waiting)
            super().on_response_complete()

        def _close_if_waiting(self) -> None:
            cycle = self.cycle  # of the last request whose headers came
            if cycle is None or cycle.response_complete or cycle.more_body:
                self.transport.close()

    return Patient
