"""How long a broker may leave a question unanswered."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from collector.errors import BusSilent


@contextmanager
def answered_within(connection: Any, seconds: float) -> Iterator[None]:  # Any: pika's blocking connection
    """Closes the connection when the block takes longer and raises BusSilent.

    pika's blocking calls wait for ever. RabbitMQ 3.10, killed within moments of making a quorum queue and
    started again, may have no leader for it: it answers heartbeats, but never that queue's basic.consume
    (seen 2026-11-23).
    """
    inner = connection._impl  # the only way to a timer that runs inside a blocking call of pika 1.4
    late: list[bool] = []

    def close() -> None:
        late.append(True)
        inner._terminate_stream(TimeoutError("no answer in time"))  # as pika's heartbeat does

    timer = inner.ioloop.call_later(seconds, close)
    try:
        yield
    except Exception as error:
        if late:
            advice = "a queue may have no leader, see `rabbitmqctl list_queues name state leader`"
            raise BusSilent(f"no answer from the broker in {seconds:g} s: {advice}") from error
        raise
    finally:
        inner.ioloop.remove_timeout(timer)
