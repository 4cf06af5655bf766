import socket
import threading
from collections.abc import Iterator

import pytest

from cli.client import Client, path
from cli.errors import ServerRefused, ServerUnreachable, WrongUsage
from tests.cli.stub_api import StubApi


@pytest.fixture
def client(api: StubApi) -> Iterator[Client]:
    with Client(api.url + "/", "secret") as client:
        yield client


def test_an_identifier_with_a_slash_stays_one_part_of_the_path() -> None:
    assert path("v2", "resources", "a/b ?") == "/v2/resources/a%2Fb%20%3F"


def test_the_token_travels_in_its_header(api: StubApi, client: Client) -> None:
    api.answer("GET", "/v2/meters", [])

    client.many("/v2/meters")

    assert api.asked[0].headers["x-auth-token"] == "secret"


def test_no_token_is_sent_when_there_is_none(api: StubApi) -> None:
    api.answer("GET", "/v2/meters", [])

    with Client(api.url, None) as client:
        client.many("/v2/meters")

    assert "x-auth-token" not in api.asked[0].headers


def test_proxies_of_the_environment_do_not_see_the_token(
    api: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer("GET", "/v2/meters", [])
    with StubApi() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)

        with Client(api.url, "secret") as client:
            client.many("/v2/meters")

        assert proxy.asked == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error_message": {"faultcode": "Client", "faultstring": "Limit must be positive"}}, "Limit must be positive"),
        ({"error_message": "403 Forbidden\n\nAccess was denied"}, "403 Forbidden Access was denied"),
        ({"title": "Bad", "detail": "period is too long"}, "period is too long"),
        (b"<html>", "Bad Request"),
    ],
)  # fmt: skip
def test_an_error_is_told_in_the_servers_words(
    api: StubApi, client: Client, body: object, words: str
) -> None:
    api.answer("GET", "/v2/meters", body, status=400)

    with pytest.raises(ServerRefused) as refused:
        client.many("/v2/meters")

    assert str(refused.value) == f"{words} (HTTP 400)"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_not_ready_counts_as_unreachable(api: StubApi, client: Client, status: int) -> None:
    api.answer("GET", "/v2/meters", b"", status=status)

    with pytest.raises(ServerUnreachable, match=f"not ready.*HTTP {status}"):
        client.many("/v2/meters")


def test_a_redirect_is_not_followed(api: StubApi, client: Client) -> None:
    api.answer("GET", "/v2/meters", b"", status=308)

    with pytest.raises(ServerRefused, match="HTTP 308"):
        client.many("/v2/meters")


@pytest.mark.parametrize("answer", [b"<html>hello</html>", {"versions": []}, ["text"]])
def test_an_answer_of_something_else_is_an_error(api: StubApi, client: Client, answer: object) -> None:
    api.answer("GET", "/v2/meters", answer)

    with pytest.raises(ServerRefused, match="is this a Nephometer API"):
        client.many("/v2/meters")


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{bound.getsockname()[1]}", None)

        with pytest.raises(ServerUnreachable, match="no answer from http"):
            client.many("/v2/meters")


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", None, timeout_s=0.1)

        with pytest.raises(ServerUnreachable, match="no answer"):
            client.many("/v2/meters")


def test_a_server_that_speaks_no_tls_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def hang_up() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=hang_up)
        thread.start()
        client = Client(f"https://127.0.0.1:{plain.getsockname()[1]}", None, timeout_s=5)

        with pytest.raises(ServerUnreachable):
            client.many("/v2/meters")
        thread.join()


@pytest.mark.parametrize("url", ["127.0.0.1:8777", "ftp://x", ""])
def test_an_address_that_is_no_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(WrongUsage, match="does not begin with http"):
        Client(url, None)


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://host:port"])
def test_a_broken_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(WrongUsage, match="--url"):
        Client(url, None).many("/v2/meters")


def test_a_token_that_cannot_be_sent_is_a_usage_error() -> None:
    with pytest.raises(WrongUsage, match="X-Auth-Token"):
        Client("http://127.0.0.1", "line\nbreak")


def test_a_missing_certificate_file_is_a_usage_error() -> None:
    with pytest.raises(WrongUsage, match=r"--cacert /nowhere.*No such file"):
        Client("https://127.0.0.1", None, cacert="/nowhere/ca.pem")


def test_a_file_that_holds_no_certificate_is_a_usage_error() -> None:
    with pytest.raises(WrongUsage, match="--cacert"):
        Client("https://127.0.0.1", None, cacert="/dev/null")


def test_a_password_in_the_url_is_not_shown() -> None:
    with (
        Client("http://user:hunter2@127.0.0.1:1/", None) as client,
        pytest.raises(ServerUnreachable, match=r"no answer from http://user:\*\*\*@127\.0\.0\.1:1: "),
    ):
        client.many("/v2/meters")
