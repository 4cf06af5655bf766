"""The loop that empties the outbox, whatever the way out does."""

import threading

import structlog

from agent.outbox import Outbox
from collector.backoff import Backoff

IDLE_S = 1.0

log = structlog.get_logger()


class Delivery:
    """Hands batches to the transport one after the other, oldest first; a failed one is tried again."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._backoff = Backoff()
        self._failures = 0

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; a send under way is not interrupted."""
        while not stop.is_set():
            try:
                delivered = self._outbox.deliver()
            except Exception as error:  # noqa: BLE001 - said in _fail; the batch stays and is tried again
                stop.wait(self._fail(error))
                continue
            if self._failures and delivered:
                log.info("delivery_up", failures=self._failures)
                self._failures = 0
                self._backoff.reset()
            if not delivered:
                self._outbox.wait(IDLE_S)

    def _fail(self, error: Exception) -> float:
        """Seconds to wait before the next attempt."""
        if not self._failures:
            expected = getattr(error, "retryable", False)
            log.warning(
                "delivery_down", error=str(error) or repr(error), exc_info=None if expected else error
            )
        self._failures += 1
        return self._backoff.next_s()
