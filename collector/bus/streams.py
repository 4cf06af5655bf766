"""The archive of notifications: a stream of RabbitMQ (3.9 or newer), read as often as one likes."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pika
from pydantic import SecretStr

from collector.bus.asking import Questions
from collector.bus.connection import connected
from collector.errors import BusUnavailable
from collector.settings import BusSettings

OFFSET = "x-stream-offset"  # where to begin, and the header of each message that tells where it is
PREFETCH = 500
FIRST_S, NEXT_S, PROBE_S = 3.0, 0.5, 2.0  # how long the newest message, the next one, all of them may take


@dataclass(frozen=True, slots=True)
class Archived:
    """A notification as it came, and its place in the stream: places grow, and may leave some out."""

    offset: int
    body: bytes


def archived(
    url: SecretStr, settings: BusSettings, since: datetime | int | None = None
) -> Iterator[Archived]:
    """What the stream `settings.stream` of a broker keeps, in order, up to what is the newest now.

    Begins with the message at an offset, or a little before a time, or with the oldest there is. Takes nothing away.
    There are no heartbeats, so the next one may be asked for when it suits. Raises BusUnavailable, also when
    there is no such stream; whoever goes on later does so with the offset after the last.
    """
    unhurried = settings.model_copy(update={"heartbeat": 0})
    with connected(url, unhurried) as connection:
        if Questions(connection).ask("queue_declare", settings.stream, passive=True) is None:
            raise BusUnavailable(
                f"there is no stream {settings.stream!r}: set bus.stream and start a collector"
            )
        newest = _newest(connection, settings.stream)
        if newest is None or (isinstance(since, int) and since > newest):
            return
        reader = _Reader(connection, settings.stream, "first" if since is None else since)
        while (message := reader.next(settings.timeout)) is not None:
            yield message
            if message.offset >= newest:
                return
        if not isinstance(since, datetime):  # since a time, nothing may have come
            raise BusUnavailable(f"the stream {settings.stream!r} fell silent before its end")


def _newest(connection: pika.BlockingConnection, stream: str) -> int | None:
    """The offset of the newest message, None without one.

    RabbitMQ tells it by sending the last messages that were written together, and what comes meanwhile.
    """
    reader, newest = _Reader(connection, stream, "last"), None
    found = reader.next(FIRST_S)
    deadline = time.monotonic() + PROBE_S
    while found is not None:
        newest = found.offset
        found = reader.next(NEXT_S) if time.monotonic() < deadline else None
    reader.close()
    return newest


class _Reader:
    """A consumer of a stream; `begin` is an offset, a time, "first" or "last"."""

    def __init__(self, connection: pika.BlockingConnection, stream: str, begin: object) -> None:
        self._connection, self._stream = connection, stream
        self._arrived: deque[tuple[int, Archived | None]] = deque()
        self._taken = 0
        self._channel = connection.channel()
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._channel.basic_consume(stream, self._on_message, arguments={OFFSET: begin})

    def next(self, wait_s: float) -> Archived | None:
        """The next message, None when none comes for so long."""
        deadline = time.monotonic() + wait_s
        while not self._arrived and (left_s := deadline - time.monotonic()) > 0:
            self._connection.process_data_events(time_limit=left_s)
        if not self._arrived:
            return None
        tag, message = self._arrived.popleft()
        if message is None:
            raise BusUnavailable(f"{self._stream!r} is no stream: name one, or no queue, in bus.stream")
        self._taken += 1
        if self._taken % (PREFETCH // 2) == 0:
            self._channel.basic_ack(tag, multiple=True)
        return message

    def close(self) -> None:
        """Consume no more."""
        self._channel.close()

    def _on_message(
        self,
        _channel: object,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        offset = (properties.headers or {}).get(OFFSET)
        self._arrived.append((method.delivery_tag, None if offset is None else Archived(int(offset), body)))
