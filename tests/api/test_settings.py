import pytest
from pydantic import ValidationError

from api.settings import AlarmSettings, ApiSettings, AuthSettings


def test_the_defaults_listen_on_loopback_and_ask_for_no_token() -> None:
    assert (ApiSettings().host, ApiSettings().port, AuthSettings().mode) == ("127.0.0.1", 8777, "none")


def test_keystone_is_not_available_yet_and_the_message_lists_what_is() -> None:
    with pytest.raises(ValidationError, match="'none' or 'token'"):
        AuthSettings.model_validate({"mode": "keystone"})


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"mode": "token"}, "at least one entry"),
        ({"tokens": [{"token": "x", "roles": ["member"]}]}, "project_id is needed"),
        ({"tokens": [{"token": "x", "project_id": "p", "roles": ["owner"]}]}, "'reader', 'member', 'admin'"),
        ({"tokens": [{"token": "x", "project_id": "p", "roles": []}]}, "at least 1 item"),
        ({"tokens": [{"token": "SECRET", "project_id": "p"}]}, "openssl rand"),
        ({"tokens": [{"token": "SECRET2", "project_id": "p"}]}, "openssl rand"),
        ({"tokens": [{"token": "schlüssel", "project_id": "p"}]}, "printable ASCII"),
        ({"tokens": [{"token": "two\nlines", "project_id": "p"}]}, "printable ASCII"),
        ({"tokens": [{"token": "spaced ", "project_id": "p"}]}, "without spaces at its ends"),
        ({"tokens": [{"token": "", "project_id": "p"}]}, "at least 1 item"),
        ({"tokens": [{"token": "x", "project_id": "p"}, {"token": "x", "project_id": "q"}]}, "listed twice"),
    ],
)
def test_settings_that_would_let_the_wrong_people_in_are_refused(
    auth: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        AuthSettings.model_validate(auth)


def test_a_token_is_never_shown() -> None:
    auth = AuthSettings.model_validate({"mode": "token", "tokens": [{"token": "geheim", "project_id": "p"}]})

    assert "geheim" not in repr(auth)
    assert "geheim" not in str(auth.model_dump())


def test_the_default_limit_fits_the_maximum() -> None:
    with pytest.raises(ValidationError, match="default_limit must not be larger"):
        ApiSettings(default_limit=200, max_limit=100)


@pytest.mark.parametrize(
    "url", ["metering.example", "ftp://x", "http://", "http://x/?q=1", "http://x/#f", "http:///p"]
)
def test_a_public_url_is_a_url_of_a_service(url: str) -> None:
    with pytest.raises(ValidationError):
        ApiSettings(public_url=url)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "127.0.0.1:9000", "[::1]:9000"])
def test_webhooks_may_be_allowed_into_networks_and_to_single_ports(network: str) -> None:
    assert AlarmSettings(allow_networks=(network,)).allow_networks == (network,)


@pytest.mark.parametrize(
    "network", ["", "10.0.0.1/8", "localhost:80", "127.0.0.1:0", "127.0.0.1:99999", "10.0.0.0/8:80"]
)
def test_anything_else_is_no_network(network: str) -> None:
    with pytest.raises(ValidationError, match="a network as 10"):
        AlarmSettings(allow_networks=(network,))


@pytest.mark.parametrize("interval", [0, -1, 86_401, 1e300, float("inf"), float("nan")])
def test_alarms_are_evaluated_at_least_daily(interval: float) -> None:
    with pytest.raises(ValidationError, match="interval"):
        AlarmSettings(interval=interval)
