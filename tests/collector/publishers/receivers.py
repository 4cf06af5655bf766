"""Receivers of what publishers send, one for each kind: each can be killed and revived where it was."""

import contextlib
import json
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from collector.publishers.messages import message_id
from storage.sample import Sample
from tests.broker import RabbitMQ
from tests.collector.brokers import channel
from tests.servers import free_port
from tests.web import Reply, Request, WebServer

Ids = set[str]


class Receiver(Protocol):
    """A system that samples are published to."""

    url: str

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def ids(self) -> Ids:
        """What arrived, each thing as something that names it."""
        ...

    def expected(self, samples: Sequence[Sample]) -> Ids:
        """What `ids` says when these have arrived."""
        ...


def ids_of(samples: Sequence[Sample]) -> Ids:
    """The ids of samples, where the form has them."""
    return {message_id(sample) for sample in samples}


class Web:
    """A web server on a port of its own that can be killed and revived; remembers what it answered 2xx to."""

    def __init__(self, answer: Callable[[Request], Reply] | None = None) -> None:
        self.port = free_port()
        self.answer = answer or (lambda _request: Reply(204))
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server: WebServer | None = None

    def start(self) -> None:
        self._server = WebServer(self._take, port=self.port)
        self._server.start()

    def kill(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return ids_of(samples)

    def _take(self, request: Request) -> Reply:
        with self._lock:
            reply = self.answer(request)
            if reply.status < 300:
                self.requests.append(request)
        return reply


class HttpReceiver(Web):
    """Takes lists and single messages, CloudEvents too."""

    def __init__(self, options: str = "") -> None:
        super().__init__()
        self.url = f"http://user:s3cret@127.0.0.1:{self.port}/usage{options}"

    def messages(self) -> list[dict[str, Any]]:
        """Every message in order. Any: JSON."""
        found: list[dict[str, Any]] = []
        for request in self.requests:
            body = json.loads(request.body)
            found += body if isinstance(body, list) else [body]
        return found

    def ids(self) -> Ids:
        return {str(message.get("id") or message.get("message_id")) for message in self.messages()}


class WithIds:
    """A receiver of a form that has ids."""

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return ids_of(samples)


class FileReceiver(WithIds):
    """A folder; killed, it is not there."""

    def __init__(self, folder: Path, options: str = "") -> None:
        self.file = folder / "out" / "samples.json"
        self.url = f"file://{self.file}{options}"

    def start(self) -> None:
        aside = self.file.parent.with_name("aside")
        if aside.exists():
            aside.rename(self.file.parent)
        self.file.parent.mkdir(exist_ok=True)

    def kill(self) -> None:
        if self.file.parent.exists():
            shutil.move(self.file.parent, self.file.parent.with_name("aside"))

    def messages(self) -> list[dict[str, Any]]:
        files = sorted(
            self.file.parent.glob("samples.json*"), reverse=True
        )  # the oldest has the highest number
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def ids(self) -> Ids:
        return {str(message.get("id") or message["message_id"]) for message in self.messages()}


class UdpReceiver(WithIds):
    """Reads datagrams while it lives."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"udp://127.0.0.1:{self.port}"
        self._found: list[dict[str, Any]] = []
        self._socket: socket.socket | None = None

    def start(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.settimeout(0)

    def kill(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def messages(self) -> list[dict[str, Any]]:
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                self._found.append(msgspec.msgpack.decode(self._socket.recv(65536)))
        return self._found

    def ids(self) -> Ids:
        return {message["message_id"] for message in self.messages()}


class TcpReceiver(WithIds):
    """Reads samples behind their lengths, as Ceilometer's collector did."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._found: list[dict[str, Any]] = []
        self._socket: socket.socket | None = None

    def start(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def kill(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        self._socket = None

    def messages(self) -> list[dict[str, Any]]:
        return list(self._found)

    def ids(self) -> Ids:
        return {message["message_id"] for message in self._found}

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as stream:
                    while head := stream.read(8):
                        (size,) = struct.unpack("<Q", head)
                        self._found.append(msgspec.msgpack.decode(stream.read(size)))


class BusReceiver(WithIds):
    """A durable queue of a real broker, bound as a consumer of Ceilometer's notifier binds it."""

    QUEUE = "theirs"

    def __init__(self, broker: RabbitMQ, topics: tuple[str, ...] = ("metering", "event")) -> None:
        self._broker, self._topics = broker, topics
        self._address = broker.create_vhost()
        self.url = self._address.replace("amqp://", "notifier://")
        self._is_up = True
        self._found: list[dict[str, Any]] = []

    def start(self) -> None:
        if not self._is_up:
            self._broker.management("start_app")
        self._is_up = True
        with channel(self._address) as client:
            client.exchange_declare("ceilometer", "topic", durable=True)
            client.queue_declare(self.QUEUE, durable=True)
            for topic in self._topics:
                client.queue_bind(self.QUEUE, "ceilometer", f"{topic}.sample")

    def kill(self) -> None:
        """As good as killed, but sooner back: it ends every connection and listens no more."""
        self._broker.management("stop_app")
        self._is_up = False

    def notifications(self) -> list[dict[str, Any]]:
        """Every notification in order, out of its envelope. Any: JSON."""
        with channel(self._address) as client:
            while (got := client.basic_get(self.QUEUE, auto_ack=True))[0] is not None:
                body = json.loads(got[2])
                self._found.append(json.loads(body["oslo.message"]) if "oslo.message" in body else body)
        return self._found

    def ids(self) -> Ids:
        return {sample["message_id"] for one in self.notifications() for sample in one["payload"]}
