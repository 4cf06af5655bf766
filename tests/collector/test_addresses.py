import json
import subprocess
import sys
from pathlib import Path

import pytest

from collector.addresses import Host, parse_address

# In a program of its own, since it imports what warns of its own age.
OSLO = """
import json, sys
from oslo_config import cfg
from oslo_messaging import TransportURL
parsed = [TransportURL.parse(cfg.ConfigOpts(), url) for url in sys.argv[1:]]
print(json.dumps([
    [one.virtual_host, *([host.hostname, host.port or 5672, host.username, host.password] for host in one.hosts)]
    for one in parsed
]))
"""


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


def test_a_transport_url_means_what_it_means_to_oslo_messaging() -> None:
    urls = [
        "rabbit://u:p%40%2F@one:5673/cloud",
        "rabbit://u:p@one:5672,v:q@two:5673//",
        "rabbit://u:p@one,u:p@[::1]:5673,/%2F",
        "rabbit://u:p@ss@one:5672/cell%201?ssl=1",
    ]

    done = subprocess.run([sys.executable, "-c", OSLO, *urls], check=True, capture_output=True, text=True)

    assert [[parse_address(url).virtual_host, *map(list, places(url))] for url in urls] == json.loads(
        done.stdout
    )


def test_kombus_list_of_brokers_is_understood() -> None:
    url = "pyamqp://u:p@one:5672//;pyamqp://u:p@two//"

    assert places(url) == [("one", 5672, "u", "p"), ("two", 5672, "u", "p")]
    assert parse_address(url).virtual_host == "/"


@pytest.mark.parametrize(
    ("url", "port"), [("amqps://h/", 5671), ("rabbit://h/?ssl=1", 5672), ("rabbit://h:1/?ssl=True", 1)]
)
def test_tls_is_asked_for_by_the_scheme_or_by_an_option(url: str, port: int) -> None:
    assert parse_address(url).is_encrypted
    assert places(url)[0][1] == port
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
