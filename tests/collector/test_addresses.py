from pathlib import Path

import pytest

from collector.addresses import Host, parse_address


def places(url: str) -> list[tuple[str, int, str, str]]:
    address = parse_address(url)
    return [(host.name, address.port(host), host.user, host.password) for host in address.hosts]


def test_a_plain_url_names_one_host_and_its_virtual_host() -> None:
    address = parse_address("amqp://user:p%40ss@broker:5673/cloud%2Fone")

    assert address.hosts == (Host("broker", 5673, "user", "p@ss"),)
    assert (address.virtual_host, address.is_encrypted) == ("cloud/one", False)


@pytest.mark.parametrize("url", ["amqp://h", "amqp://h/", "amqp://h//", "amqp://h/%2F", "rabbit://h:5672/"])
def test_every_way_to_write_the_default_virtual_host_is_understood(url: str) -> None:
    assert parse_address(url).virtual_host == "/"
    assert places(url) == [("h", 5672, "guest", "guest")]


def test_oslo_messagings_list_of_hosts_keeps_its_order_and_accounts() -> None:
    assert places("rabbit://a:1@one:5672,b:2@two,three:5674,c@[::1]:5675,[::2]/vhost") == [
        ("one", 5672, "a", "1"),
        ("two", 5672, "b", "2"),
        ("three", 5674, "b", "2"),
        ("::1", 5675, "c", ""),
        ("::2", 5672, "c", ""),
    ]


def test_kombus_list_of_brokers_is_understood() -> None:
    url = "pyamqp://u:p@one:5672//;pyamqp://u:p@two//"

    assert places(url) == [("one", 5672, "u", "p"), ("two", 5672, "u", "p")]
    assert parse_address(url).virtual_host == "/"


@pytest.mark.parametrize("url", ["amqps://h/", "rabbit://h/?ssl=1", "rabbit://h/?ssl=True"])
def test_tls_is_asked_for_by_the_scheme_or_by_an_option(url: str) -> None:
    assert parse_address(url).is_encrypted
    assert places(url)[0][1] == 5671
    assert not parse_address("rabbit://h/?ssl=0&heartbeat=5").is_encrypted


def test_files_for_tls_may_stand_in_the_url() -> None:
    oslo = "rabbit://h/?ssl=1&ssl_ca_file=/etc/ca.pem&ssl_cert_file=/etc/me.pem&ssl_key_file=/etc/me.key"
    rabbitmq = "amqps://h/?cacertfile=/etc/ca.pem&certfile=/etc/me.pem&keyfile=/etc/me.key"

    for url in (oslo, rabbitmq):
        address = parse_address(url)
        assert (address.ca, address.cert, address.key) == (
            Path("/etc/ca.pem"),
            Path("/etc/me.pem"),
            Path("/etc/me.key"),
        )


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2@h/",
        "amqp://user:hunter2@h:port/",
        "amqp://user:hunter2@h:0/",
        "amqp://user:hunter2@[::1/",
        "amqp://user:hunter2@h\u2100/",
        "amqp://user:hunter2@one/a;amqp://user:hunter2@two/b",
        "amqp://user:hunter2@h/?ssl=perhaps",
        ";",
    ],
)
def test_what_cannot_be_understood_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|is|cannot)") as caught:
        parse_address(url)

    assert "hunter2" not in str(caught.value)


def test_an_address_is_shown_without_its_accounts() -> None:
    assert str(parse_address("rabbit://u:hunter2@one:5672,u:hunter2@[::1]:5673,two/cloud")) == (
        "one:5672,[::1]:5673,two/cloud"
    )
    assert "hunter2" not in repr(parse_address("amqp://u:hunter2@one"))
