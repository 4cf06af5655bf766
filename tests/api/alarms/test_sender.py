import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from api.alarms.address import Policy
from api.alarms.sender import Resolve, Result, WebhookSender
from tests.api.alarms.factories import delivery
from tests.receiver import Receiver
from tests.web import Reply

LOOPBACK = ("127.0.0.0/8", "::1/128")
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}


def send(
    url: str, allowed: Sequence[str] = LOOPBACK, timeout_s: float = 5.0, resolve: Resolve | None = None
) -> Result:
    poster = WebhookSender(Policy(allowed), timeout_s, resolve)
    return poster.send(delivery(url=url), HEADERS)


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A raw server on loopback that runs `answer` for every connection; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    answer(connection)

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stop.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def test_a_webhook_arrives_byte_for_byte(receiver: Receiver) -> None:
    result = send(receiver.url + "?a=%20b")

    (got,) = receiver.received
    assert result == Result(204, "")
    assert (got.method, got.path, got.body) == ("POST", "/hook?a=%20b", delivery().body)
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answer(status)

    assert send(receiver.url) == Result(status, "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_failures_and_not_followed(receiver: Receiver, status: int) -> None:
    with Receiver() as inside:
        receiver.answer(Reply(status, headers={"Location": inside.url, "Refresh": f"0; url={inside.url}"}))

        result = send(receiver.url)

    assert result.status == status
    assert "redirects are not followed" in result.error
    assert inside.received == []
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_other_statuses_are_failures_and_tried_once(receiver: Receiver, status: int) -> None:
    receiver.answer(Reply(status, headers={"WWW-Authenticate": "Basic"}))

    assert send(receiver.url) == Result(status, f"the receiver answered {status}")
    assert len(receiver.received) == 1


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "120"}, 120), ({}, None)])
def test_how_long_a_receiver_asks_to_wait_is_told(
    receiver: Receiver, headers: dict[str, str], seconds: int | None
) -> None:
    receiver.answer(Reply(429, headers=headers))

    asked = send(receiver.url).retry_after

    assert (asked and asked.total_seconds()) == seconds


def test_neither_proxies_nor_netrc_are_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login thief password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        send(receiver.url)

    assert proxy.received == []
    assert "authorization" not in receiver.received[0].headers


def test_an_action_on_the_log_needs_no_network() -> None:
    for url in ("log://", "test://x", "log:", "LOG://"):
        assert send(url) == Result(None, "")


def _drip(first: bytes, each: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while each:
            connection.sendall(each)
            time.sleep(0.05)
        threading.Event().wait(2)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        _drip(b"", b""),  # never answers
        _drip(b"", b"x"),  # a status line without end
        _drip(b"HTTP/1.1 200 OK\r\n", b"a"),  # a header without end
        _drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),  # promises for ever
        _drip(b"HTTP/1.1 103 Early Hints\r\n\r\n", b""),
    ],
)
def test_a_slow_receiver_is_cut_off_by_the_wall_clock(answer: Callable[[socket.socket], None]) -> None:
    with serving(answer) as url:
        since = time.monotonic()
        result = send(url, timeout_s=0.5)

    assert time.monotonic() - since < 1.5
    assert result.status is None
    assert "no answer within 0.5 s" in result.error


def test_a_slow_body_after_success_is_cut_off_and_still_success() -> None:
    with serving(_drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x")) as url:
        since = time.monotonic()
        result = send(url, timeout_s=0.5)

    assert time.monotonic() - since < 1.5
    assert result == Result(200, "")


def test_of_a_huge_body_only_a_little_is_read() -> None:
    sent = 0
    done = threading.Event()

    def answer(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10000000000\r\n\r\n"
        )
        try:
            while sent < 1_000_000_000:
                sent += connection.send(b"\x1f\x8b" + b"\0" * 65534)
        finally:
            done.set()

    with serving(answer) as url:
        result = send(url)
        assert done.wait(5)

    assert result == Result(200, "")
    assert sent < 20_000_000  # what the kernel's buffers took


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00garbage\r\n\r\n",
        b"HTTP/0.9 what\r\n\r\n",
        b"<html>no headers</html>",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_http_is_a_failure(content: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(content)

    with serving(answer) as url:
        result = send(url)

    assert result.status is None
    assert result.error in ("the answer is not HTTP", "the connection broke")


def test_a_closed_port_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert send(f"http://127.0.0.1:{port}/").error == "the connection failed"


def test_a_reset_connection_is_a_failure() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with serving(answer) as url:
        assert send(url).error in ("the connection broke", "the answer is not HTTP")


def test_a_name_that_is_not_found_or_not_answered_is_a_failure() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, os.strerror(errno.ENOENT))

    blocked = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        blocked.wait(5)
        return []

    since = time.monotonic()
    not_found = send("http://receiver.example/", resolve=unknown)
    no_answer = send("http://receiver.example/", resolve=silent, timeout_s=0.3)
    blocked.set()

    assert not_found.error == "the receiver's name was not found"
    assert "no answer within" in no_answer.error
    assert time.monotonic() - since < 2


def test_the_connection_goes_to_the_checked_address_under_the_name_of_the_receiver(
    receiver: Receiver,
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    result = send(f"http://receiver.example:{receiver.port}/hook", resolve=resolve)

    assert result == Result(204, "")
    assert asked == ["receiver.example"]
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"


def test_a_name_that_changes_its_address_is_checked_at_every_attempt(receiver: Receiver) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
    poster = WebhookSender(Policy(["127.0.0.1/32"]), 5, lambda host, port: next(answers))
    owed = delivery(url=f"http://rebinding.example:{receiver.port}/hook")

    first, second = poster.send(owed, HEADERS), poster.send(owed, HEADERS)

    assert first == Result(204, "")
    assert "not public" in second.error
    assert len(receiver.received) == 1


def test_the_next_address_is_tried_when_one_refuses(receiver: Receiver) -> None:
    result = send(f"http://receiver.example:{receiver.port}/", resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])

    assert result == Result(204, "")
