"""What the tests of the bus need around it: a running collector, a client, a proxy that can go silent."""

import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pika
from pydantic import SecretStr

from collector.bus import Bus, inspect
from collector.interpreting import EventMaker
from collector.pipeline import Message
from collector.settings import BusSettings, CollectorSettings
from collector.topology import BrokerState, feeds
from tests.collector.factories import StubPublisher, metrics, notification, payload, pipeline
from tests.running import running

SENDER = Path(__file__).with_name("oslo_sender.py")
SWIFT = Path(__file__).with_name("swift_proxy.py")


def settings(url: str, **fields: object) -> BusSettings:
    return BusSettings.model_validate({"url": SecretStr(url), "exchanges": ("nova", "openstack"), **fields})


@contextmanager
def collecting(
    bus_settings: BusSettings, process: Callable[[Sequence[Message]], None], *, connected: bool = True
) -> Iterator[Bus]:
    """A running bus, connected unless told otherwise; it must end in time."""
    bus = Bus(bus_settings, CollectorSettings(batch_wait=0.05), process, metrics())
    with running(bus.run):
        if connected:
            until(lambda: bus.is_connected)
        yield bus


@contextmanager
def storing(
    bus_settings: BusSettings, publisher: StubPublisher, events: EventMaker | None = None
) -> Iterator[Bus]:
    """A running bus whose samples, and events if they are made, go to this publisher."""
    with collecting(bus_settings, pipeline(publisher, events=events).process) as bus:
        yield bus


@contextmanager
def channel(url: str) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """A client's channel to the broker."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()


def send(url: str, *bodies: bytes, exchange: str = "openstack", key: str = "notifications.info") -> None:
    """Publish these bodies as a service would: confirmed, or a quorum queue may lose the last of them."""
    with channel(url) as client:
        client.confirm_delivery()
        for body in bodies:
            client.basic_publish(exchange, key, body)


def send_by_oslo(
    url: str, exchange: str, topic: str, drivers: Sequence[str], told: Sequence[dict[str, object]]
) -> None:
    """Publish these notifications with the real oslo.messaging, by each of the drivers."""
    _run(SENDER, [url, exchange, topic, *drivers], told)


def ask_swift(url: str, requests: Sequence[dict[str, object]]) -> None:
    """Send these requests through a proxy of Swift with the real ceilometermiddleware."""
    _run(SWIFT, [url], requests)


def _run(program: Path, arguments: Sequence[str], work: Sequence[dict[str, object]]) -> None:
    command = [sys.executable, str(program), *arguments]
    subprocess.run(command, input=json.dumps(work), text=True, check=True, timeout=60)


def volumes(count: int) -> list[bytes]:
    """Notifications of so many different volumes."""
    return [json.dumps(notification(payload=payload(volume_id=f"volume-{n}"))).encode() for n in range(count)]


def names(count: int) -> list[str]:
    """The resources of `volumes`, sorted as text."""
    return sorted(f"volume-{number}" for number in range(count))


def resources(keeper: StubPublisher) -> list[str]:
    """The resource of every sample that was stored, sorted."""
    return sorted(sample.resource_id for sample in keeper.samples)


def inspected(bus_settings: BusSettings, *, thoroughly: bool = False) -> BrokerState:
    """How the one broker of these settings looks."""
    (feed,) = feeds(bus_settings)
    return inspect(bus_settings, feed, thoroughly=thoroughly)


def waiting(url: str, queue: str) -> int:
    """How many messages of a queue are ready for a consumer."""
    with channel(url) as client:
        return int(client.queue_declare(queue, passive=True).method.message_count)


def until(is_so: Callable[[], bool], limit_s: float = 20) -> None:
    """Returns once it is so; fails when it does not become so."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Proxy:
    """Passes bytes to a broker and back until it is silent; then it swallows them, the connection half open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{parts.port}/", f":{self._listener.getsockname()[1]}/")
        self.connections = 0
        self._silent_from = 0
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """All connections made until now pass nothing any more; new ones do."""
        self._silent_from = self.connections

    def close(self) -> None:
        self._ended.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._pass, args=(inner, self.connections), daemon=True).start()

    def _pass(self, inner: socket.socket, number: int) -> None:
        with inner, socket.create_connection(self._target) as outer:
            ends = [inner, outer]
            while ends and not self._ended.is_set():
                for one in select.select(ends, [], [], 0.1)[0]:
                    data = _receive(one)
                    is_silent = number <= self._silent_from
                    if not data and not is_silent:
                        return
                    if not data:
                        ends.remove(one)  # the other end is not told
                    elif not is_silent:
                        (outer if one is inner else inner).sendall(data)
            self._ended.wait()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""
