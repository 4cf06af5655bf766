"""A connection whose requests must arrive in time, so that nobody can hold all connections by saying nothing."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient_for(arrival_s: float) -> type[H11Protocol]:
    """A protocol that closes connections on which a request, body included, takes longer than this to arrive.

    uvicorn itself only ends connections that stay silent after an answer.
    """

    class Patient(H11Protocol):
        """uvicorn's protocol with a deadline for every request."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            """Begins to wait for the first request."""
            super().connection_made(transport)
            self._deadline = self.loop.call_later(arrival_s, self._close_if_waiting)

        def connection_lost(self, exc: Exception | None) -> None:
            """Waits no longer."""
            self._deadline.cancel()
            super().connection_lost(exc)

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
