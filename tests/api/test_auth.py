import pytest

from api.auth import Everybody, Identity, StaticTokens, check_exposure
from api.errors import StartRefused, Unauthenticated
from api.settings import ApiSettings, AuthSettings
from tests.api.world import TOKENS, World, fault


def test_a_token_stands_for_the_identity_it_is_bound_to() -> None:
    identity = StaticTokens(TOKENS).identify("member-b")

    assert identity == Identity("user-b", "project-b", frozenset({"member"}))


@pytest.mark.parametrize("token", [None, "", "Member-b", "member-b ", "member", "x" * 65_000, "\udc80"])
def test_any_other_token_is_nobody(token: str | None) -> None:
    with pytest.raises(Unauthenticated):
        StaticTokens(TOKENS).identify(token)


def test_without_authentication_everybody_is_an_administrator_of_no_project() -> None:
    assert Everybody().identify("anything") == Identity(None, None, frozenset({"admin"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_mode_none_may_listen_on_loopback(host: str) -> None:
    check_exposure(ApiSettings(host=host), AuthSettings())


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "metering.example", "127.0.0.1.example", "2130706433"]
)
def test_mode_none_refuses_every_other_address(host: str) -> None:
    with pytest.raises(StartRefused, match=r"auth\.mode is none.*api\.host.*auth\.tokens"):
        check_exposure(ApiSettings(host=host), AuthSettings())


def test_mode_token_may_listen_anywhere() -> None:
    check_exposure(ApiSettings(host="0.0.0.0"), TOKENS)


@pytest.mark.parametrize(
    "headers",
    [
        {
            "X-Roles": "admin",
            "X-User-Id": "root",
            "X-Project-Id": "project-a",
            "X-Identity-Status": "Confirmed",
        },
        {"X-Is-Admin-Project": "True", "X-Tenant-Id": "project-a"},
        {"Authorization": "Bearer admin"},
        {"Cookie": "X-Auth-Token=admin"},
    ],
)
def test_headers_that_claim_an_identity_are_worth_nothing(world: World, headers: dict[str, str]) -> None:
    answer = world.client(None, **headers).get("/v2/meters")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]


def test_a_token_in_the_url_is_no_token(world: World) -> None:
    assert world.client(None).get("/v2/meters?X-Auth-Token=admin").status_code == 401


def test_claimed_headers_do_not_widen_a_token(world: World) -> None:
    client = world.client("reader-a", **{"X-Roles": "admin", "X-Project-Id": "project-b"})

    assert client.post("/v2/meters/cpu", json=[]).status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8777", "localhost", "LOCALHOST:80", "[::1]:8777", "127.9.9.9", ""]
)
def test_without_authentication_requests_for_this_machine_are_answered(world: World, host: str) -> None:
    everybody = World(world.database, auth=AuthSettings())

    assert everybody.client(None, Host=host).get("/v2/meters").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8777",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1x",
        "[",
        "192.0.2.1",
        "0.0.0.0",
        ":80",
    ],
)
@pytest.mark.parametrize("path", ["/v2/meters", "/", "/metrics", "/docs"])
def test_without_authentication_a_page_that_rebinds_its_name_reads_nothing(
    world: World, host: str, path: str
) -> None:
    answer = World(world.database, auth=AuthSettings()).client(None, Host=host).get(path)

    assert answer.status_code == 403
    assert "loopback host" in fault(answer)


def test_without_authentication_the_public_name_is_answered_too(world: World) -> None:
    settings = ApiSettings(public_url="https://cloud.example/metering")
    everybody = World(world.database, auth=AuthSettings(), settings=settings)

    assert everybody.client(None, Host="cloud.example").get("/v2/meters").status_code == 200


def test_with_tokens_any_host_name_will_do(world: World) -> None:
    assert world.client("admin", Host="metering.cloud.example").get("/v2/meters").status_code == 200
