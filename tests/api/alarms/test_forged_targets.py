"""Every way we know to make a server call itself, through the real sender: no connection may be opened."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from api.alarms.address import Policy
from api.alarms.sender import WebhookSender, addresses_of
from tests.api.alarms.factories import delivery

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127.0.0.1%00",
    "127.0.0.1%2f",
    "127.0.0.1%09",
    "1２7.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[fe80::1%25eth0]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::1%25lo]",
    "[::ffff:0:127.0.0.1]",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "127.0.0.1:{port}@good.example",
    "good.example@127.0.0.1",
    "a:b@localhost",
    "127.0.0.1\\@good.example",
    "good.example\\@127.0.0.1",
    "127.0.0.1\t",
    "\t127.0.0.1",
    "127.0.\n0.1",
    "127.0.0.1\r\nHost: good.example",
    "127.0.0.1 good.example",
    " 127.0.0.1",
    "127.0.0.1#@good.example",
]
NAMES = {
    "a-private.example": ["10.1.2.3"],
    "aaaa-private.example": ["2001:4860:4860::8888", "fd00::1"],
    "one-of-several.example": ["8.8.8.8", "8.8.4.4", "127.0.0.1"],
    "cname-to-private.example": ["192.168.7.7"],
    "metadata.google.internal": ["169.254.169.254"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "7f000001.nip.example": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1", "::1"],
    "localtest.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "translated.example": ["64:ff9b::7f00:1"],
    "scoped.example": ["fe80::1%lo"],
    "nowhere.example": [],
    "xn--lcalhost-n4a.example": ["127.0.0.1"],
}
WHOLE = [
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:////127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1:{port}\\@good.example/",
    "http://good.example@127.0.0.1:{port}/",
    "http://good.example#@127.0.0.1:{port}/",
    "http://good.example:80#@127.0.0.1/",
    "http://good.example%40127.0.0.1:{port}/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:22/",
    "http://127.0.0.1:25/",
    "http://127.0.0.1:5672/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:+{port}/",
    "http://127.0.0.1: {port}/",
    "http://127.0.0.1:{port}/\r\nX: y",
    "http://127.0.0.1:{port}/\x00",
    "http://127.0.0.1:{port}/ü",
    "file:///etc/passwd",
    "file://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "dict://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "data:text/plain,x",
    "jar:http://127.0.0.1:{port}!/",
    "trust+http://127.0.0.1:{port}/",
    "zaqar://?topic=x",
    "ws://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "hTTp://LocalHost:{port}/",
    "http://127.0.0.1:{port}?",
    "http://127.0.0.1:{port}/../",
    "http://",
    "http:",
    "",
    ":",
    "/",
    "http://[",
    "http://]",
    "http://[]/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1]x:{port}/",
    "http://x[::1]:{port}/",
]


@dataclass
class Loopback:
    """Listens on 127.0.0.1 and ::1, and sees every connection this process tries to open."""

    port: int
    listeners: list[socket.socket]
    opened: list[object] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        """Whether nobody called and nobody tried to."""
        for listener in self.listeners:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                continue
            return False
        return not self.opened


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with socket.create_server(("::1", port), family=socket.AF_INET6) as second:
            first.settimeout(0.0)
            second.settimeout(0.0)
            seen = Loopback(port, [first, second])
            connect = socket.create_connection

            # Any: passed on.
            def watched(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
                seen.opened.append(address)
                return connect(address, *args, **options)

            monkeypatch.setattr(socket, "create_connection", watched)
            yield seen


def resolve(host: str, port: int) -> list[str]:
    """The system's answer for spellings it resolves by itself; ours for names, so that no test asks DNS."""
    return NAMES[host] if host in NAMES else addresses_of(host, port)


def urls() -> list[str]:
    hosts = [*SPELLINGS, *NAMES]
    schemes = ["http"] * len(hosts) + ["https"] * len(NAMES)
    return [
        f"{scheme}://{host}:{{port}}/" for scheme, host in zip(schemes, [*hosts, *NAMES], strict=True)
    ] + WHOLE


@pytest.mark.parametrize("url", urls(), ids=repr)
def test_a_forged_target_is_refused_before_any_connection(loopback: Loopback, url: str) -> None:
    sender = WebhookSender(Policy(()), 5, resolve)

    result = sender.send(delivery(url=url.replace("{port}", str(loopback.port))), {})

    assert result.status is None
    assert result.error
    assert "127.0.0.1" not in result.error  # what a name resolves to is not told
    assert loopback.is_silent


def test_there_are_enough_forged_targets() -> None:
    assert len(set(urls())) > 120


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "mapped.example"])
def test_the_listener_would_have_heard_a_connection(loopback: Loopback, host: str) -> None:
    sender = WebhookSender(Policy(["127.0.0.0/8", "::1/128"]), 0.2, resolve)

    sender.send(delivery(url=f"http://{host}:{loopback.port}/"), {})

    assert not loopback.is_silent
