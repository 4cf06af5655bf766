"""The API behind a real socket."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from api.errors import CannotListen
from api.server import ARRIVAL_S, serve
from api.settings import ApiSettings, AuthSettings
from tests.api.world import World
from tests.factories import sample

FREE = ApiSettings(port=0)


@contextlib.contextmanager
def serving(
    app: object, settings: ApiSettings = FREE, *, arrival_s: float = ARRIVAL_S
) -> Iterator[tuple[str, threading.Event, threading.Thread]]:
    """The URL of a server in another thread, what stops it, and the thread."""
    stop, started = threading.Event(), threading.Event()
    urls: list[str] = []

    def tell(url: str) -> None:
        urls.append(url)
        started.set()

    thread = threading.Thread(target=serve, args=(app, settings, stop, tell), kwargs={"arrival_s": arrival_s})
    thread.start()
    try:
        assert started.wait(10)
        yield urls[0], stop, thread
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def connected(url: str) -> socket.socket:
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)


def get(url: str, path: str, token: str = "admin") -> tuple[int, object]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path, headers={"X-Auth-Token": token})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def test_a_server_tells_its_url_answers_and_stops_when_told(world: World) -> None:
    with serving(world.app) as (url, stop, thread):
        answered = get(url, "/healthz")
        stop.set()
        thread.join(10)

    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith((":0", ":8777"))
    assert answered == (200, {"status": "ok"})
    with pytest.raises(ConnectionRefusedError):
        connected(url)


def test_an_address_in_use_is_said_in_one_sentence(world: World) -> None:
    with serving(world.app) as (url, _, _):
        port = urlsplit(url).port

        with pytest.raises(
            CannotListen,
            match=rf"^cannot listen on 127.0.0.1:{port}: Address already in use \(api.host, api.port\)$",
        ):
            serve(world.app, ApiSettings(port=port or 0), threading.Event())


def test_an_address_that_is_not_here_is_said_in_one_sentence(world: World) -> None:
    with pytest.raises(CannotListen, match=r"^cannot listen on 192\.0\.2\.1:"):
        serve(world.app, ApiSettings(host="192.0.2.1", port=0), threading.Event())


def test_requests_being_answered_are_cut_off_before_ten_seconds_have_passed() -> None:
    received = threading.Event()

    async def never_done(scope: Scope, receive: Receive, send: Send) -> None:
        received.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    with serving(never_done) as (url, stop, thread), connected(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert received.wait(10)
        began = time.monotonic()
        stop.set()
        thread.join(10)
        took_s = time.monotonic() - began

    assert took_s < 9


@pytest.mark.parametrize("resource_id", ["a/b", "a%2Fb", "a%252Fb", "a//b", "/a", "a/", "ü😀", "a b+c"])
def test_a_resource_of_any_name_is_found_through_a_real_url(world: World, resource_id: str) -> None:
    world.keep([sample(resource_id=resource_id)])

    with serving(world.app) as (url, _, _):
        _, listed = get(url, "/v2/resources")
        assert isinstance(listed, list)
        status, shown = get(url, listed[0]["links"][0]["href"].removeprefix(url))

    assert (status, shown) == (200, listed[0])
    assert listed[0]["resource_id"] == resource_id


def test_headers_are_bounded(world: World) -> None:
    with serving(world.app) as (url, _, _), connected(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + b"x" * 200_000)
        answer = connection.recv(4096)

    assert b" 400 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/meters/cpu HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("piece", [b"X: y\r\n" * 100, b"X" * 600])
def test_headers_and_trailers_are_bounded_however_they_come(world: World, begun: bytes, piece: bytes) -> None:
    with serving(world.app) as (url, _, _), connected(url) as connection:
        connection.sendall(begun)
        pieces = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while pieces * len(piece) < 2_000_000:
                connection.sendall(piece)
                pieces += 1
                time.sleep(0.0001)  # pieces arrive as such

    assert pieces * len(piece) < 1_000_000


def test_an_offer_to_upgrade_is_not_taken_and_the_connection_goes_on(world: World) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with serving(world.app) as (url, _, _), connected(url) as connection:
        for more in (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", b""):
            connection.sendall(request + more + b"\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(4096)

            assert answer.startswith(b"HTTP/1.1 200 ")


HALF_A_BODY = (
    b"POST /v2/alarms HTTP/1.1\r\nHost: x\r\nX-Auth-Token: admin\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: ", HALF_A_BODY])
def test_a_request_that_does_not_arrive_in_time_loses_its_connection(world: World, sent: bytes) -> None:
    with serving(world.app, arrival_s=0.2) as (url, _, _), connected(url) as connection:
        connection.sendall(sent)

        assert connection.recv(4096) == b""


def test_an_answer_may_take_longer_than_its_request() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await anyio.sleep(0.4)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with serving(slow, arrival_s=0.1) as (url, _, _), connected(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert b" 204 " in connection.recv(4096)


def test_a_caller_that_leaves_amid_its_body_is_no_fault_of_ours(world: World) -> None:
    with serving(world.app) as (url, _, _):
        with connected(url) as connection:
            connection.sendall(HALF_A_BODY)
        answered = requests_of(world, "POST", "/v2/alarms")

    assert answered == {"400": 1.0}


def requests_of(world: World, method: str, route: str) -> dict[str, float]:
    """How many requests were answered by status, once there is one."""
    deadline = time.monotonic() + 10
    found: dict[str, float] = {}
    while not found and time.monotonic() < deadline:
        found = {
            one.labels["status"]: one.value
            for family in world.app.state.services.registry.collect()
            for one in family.samples
            if one.name == "nephometer_api_requests_total"
            and (one.labels["method"], one.labels["route"]) == (method, route)
        }
        time.sleep(0.02)
    return found


def test_callers_at_the_same_time_each_get_their_own_rows(world: World) -> None:
    """64 callers, several requests each, through one server: nobody ever sees another's project."""
    tokens = [
        {"token": f"token-{number}", "project_id": f"project-{number}", "roles": ["reader"]}
        for number in range(64)
    ]
    world.keep([sample(resource_id="shared", project_id=f"project-{number}") for number in range(64)])
    many = World(world.database, auth=AuthSettings.model_validate({"mode": "token", "tokens": tokens}))
    seen: list[tuple[int, set[str]]] = []

    with serving(many.app) as (url, _, _):

        def ask(number: int) -> None:
            for _ in range(8):
                _, found = get(url, "/v2/samples", f"token-{number}")
                assert isinstance(found, list)
                seen.append((number, {one["project_id"] for one in found}))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert len(seen) == 64 * 8
    assert [(number, projects) for number, projects in seen if projects != {f"project-{number}"}] == []
