"""Ceilometer's samples in msgpack over plain sockets."""

import fcntl
import socket
import struct
import termios
from collections.abc import Mapping, Sequence

import msgspec

from collector.errors import BatchRefused, PublisherUnavailable
from collector.publishers.messages import sample_message
from collector.publishers.publisher import SAMPLES
from collector.publishers.target import Target
from storage.event import Event
from storage.ingest.batch import SampleBatch

PORT = 4952  # Source: ceilometer/publisher/udp.py and tcp.py
LENGTH = struct.Struct("<Q")
INT = struct.Struct("i")
END_S = 1.0  # for the end of a connection that some receivers keep open
DATAGRAM_BYTES = 65_507  # of UDP over IPv4


class Udp:
    """udp://host:4952: one datagram per sample, at most once over the wire: nobody says whether it arrived."""

    takes = SAMPLES

    def __init__(self, target: Target, secret: str | None) -> None:
        self.name, self._secret = target.name, secret
        self._address = (target.needs_host(), target.port or PORT)
        target.options.done()
        self._socket: socket.socket | None = None

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Hands every sample to the network; raises PublisherUnavailable when that is not possible."""
        datagrams = [_packed(sample_message(sample, self._secret)) for sample in samples.samples()]
        if any(len(datagram) > DATAGRAM_BYTES for datagram in datagrams):
            raise BatchRefused(f"a sample with more than the {DATAGRAM_BYTES} bytes of a datagram")
        try:
            if self._socket is None:
                self._socket = _connected_udp(self._address)
            for datagram in datagrams:
                self._socket.send(datagram)
        except OSError as error:
            self.close()
            raise PublisherUnavailable(error.strerror or str(error)) from error

    def close(self) -> None:
        """Frees the port."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


class Tcp:
    """tcp://host:4952: each sample behind its length; the protocol has no answer that says what arrived.

    After each batch the end of the connection is waited for. An orderly one means that the receiver has read all of
    it; where none comes in time, its system has at least confirmed every byte. Otherwise all of it is sent again.
    """

    takes = SAMPLES

    def __init__(self, target: Target, secret: str | None) -> None:
        self.name, self._secret = target.name, secret
        self._address = (target.needs_host(), target.port or PORT)
        self._timeout_s = target.options.real("timeout", 5.0, 0.1, 60.0)
        target.options.done()

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Sends every sample over a connection of its own; raises PublisherUnavailable when it broke."""
        packed = [_packed(sample_message(sample, self._secret)) for sample in samples.samples()]
        try:
            with socket.create_connection(self._address, self._timeout_s) as connection:
                connection.sendall(b"".join(LENGTH.pack(len(one)) + one for one in packed))
                connection.shutdown(socket.SHUT_WR)
                _wait_for_end(connection)
        except OSError as error:
            raise PublisherUnavailable(error.strerror or str(error)) from error

    def close(self) -> None:
        """Nothing is open between two batches."""


def _wait_for_end(connection: socket.socket) -> None:
    """Raises OSError unless the other side has everything."""
    connection.settimeout(END_S)
    try:
        while connection.recv(4096):
            """Whatever it says: its end is what counts."""
    except TimeoutError:
        (unconfirmed,) = INT.unpack(fcntl.ioctl(connection, termios.TIOCOUTQ, INT.pack(0)))
        if unconfirmed:
            raise


def _packed(message: Mapping[str, object]) -> bytes:
    try:
        return msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeEncodeError) as error:
        raise BatchRefused(f"a sample msgpack cannot hold: {error}") from error


def _connected_udp(address: tuple[str, int]) -> socket.socket:
    """A socket that is told when nobody listens on the port of a machine that answers so."""
    family, kind, protocol, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.connect(place)
    except OSError:
        opened.close()
        raise
    return opened
