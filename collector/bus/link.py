"""A publisher's connection, which serves its heartbeats while nothing is published."""

import functools
import threading
from collections.abc import Callable

import pika
from pika.exceptions import AMQPError

from collector.bus.words import words
from collector.confirmation import Confirmation
from collector.errors import BusUnavailable

CLOSE_S = 2.0


class Link:
    """One connection with a thread of its own; `open` before anything else. One thread may use it."""

    def __init__(self, parameters: pika.ConnectionParameters, timeout_s: float) -> None:
        self._confirmation = Confirmation(timeout_s)
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )
        self._lock = threading.Lock()  # between calls into the loop and its end
        self._has_ended = False
        self._thread = threading.Thread(target=self._serve, name="bus-publisher", daemon=True)
        self._thread.start()

    def open(self) -> None:
        """Returns when messages can be published; raises BusUnavailable."""
        self._confirmation.wait()

    @property
    def is_open(self) -> bool:
        """Whether it can still be published on."""
        return bool(self._connection.is_open and self._channel.is_open)

    def publish(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Returns when the broker has the message in every queue it belongs to; raises BusUnavailable.

        It is `mandatory`: a message that no queue takes is not taken.
        """
        self._confirmation.expect()
        self._call(functools.partial(self._publish, exchange, key, body, properties))
        self._confirmation.wait()

    def close(self) -> None:
        """End the connection."""
        self._call(self._close)
        self._thread.join(CLOSE_S)

    def _serve(self) -> None:
        self._connection.ioloop.start()
        with self._lock:
            self._has_ended = True
            self._connection.ioloop.close()

    def _call(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if self._has_ended:
                self._confirmation.fail("the connection has ended")
            else:
                self._connection.ioloop.add_callback_threadsafe(callback)

    def _publish(self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties) -> None:
        try:
            self._channel.basic_publish(exchange, key, body, properties, mandatory=True)
        except AMQPError as error:
            self._confirmation.fail(words(error))

    def _on_channel(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_end)
        channel.add_on_return_callback(
            lambda _channel, method, *_: self._confirmation.note_return(
                f"no queue took it: {method.reply_text}"
            )
        )
        channel.confirm_delivery(
            lambda frame: self._confirmation.answer(taken=isinstance(frame.method, pika.spec.Basic.Ack)),
            callback=lambda _frame: self._confirmation.answer(taken=True),
        )

    def _on_end(self, _where: object, error: Exception) -> None:
        self._confirmation.fail(words(error))
        self._close()

    def _close(self) -> None:
        if self._connection.is_closed:
            self._connection.ioloop.stop()
        elif not self._connection.is_closing:
            self._connection.close()


def opened(servers: list[pika.ConnectionParameters], timeout_s: float) -> Link:
    """A link to the first server that answers; raises BusUnavailable with what each of them said."""
    said = []
    for server in servers:
        try:
            return _opened(server, timeout_s)
        except BusUnavailable as error:
            said.append(f"{server.host}:{server.port}: {error}")
    raise BusUnavailable("; ".join(said))


def _opened(server: pika.ConnectionParameters, timeout_s: float) -> Link:
    link = Link(server, timeout_s)
    try:
        link.open()
    except BusUnavailable:
        link.close()
        raise
    return link
