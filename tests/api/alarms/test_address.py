import ipaddress

import pytest

from api.alarms.address import Policy, Refused, is_public, target

PUBLIC = (
    "8.8.8.8",
    "193.0.6.139",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
)
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3ffe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    Policy(()).check([address], 443)


@pytest.mark.parametrize("address", PRIVATE)
def test_what_only_this_server_can_reach_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(Refused):
        Policy(()).check([address], 443)


def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(Refused):
        Policy(()).check(["8.8.8.8", "2001:4860:4860::8888", "10.0.0.1"], 443)
    with pytest.raises(Refused):
        Policy(()).check([], 443)


def test_addresses_of_this_machine_are_refused_though_public() -> None:
    for address in ("8.8.8.8", "::ffff:8.8.8.8"):
        with pytest.raises(Refused):
            Policy(()).check([address], 443, own=["8.8.8.8"])


@pytest.mark.parametrize(
    ("allowed", "address", "port", "passes"),
    [
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, True),  # public anyway
        ("10.0.0.0/8", "192.168.0.1", 80, False),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", 80, False),  # through a translator it is another network's
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, False),
        ("127.0.0.1:9000", "127.0.0.2", 9000, False),
        ("[::1]:9000", "::1", 9000, True),
        ("::1/128", "::1", 9000, True),
        ("::1", "::1", 9000, True),
        ("fe80::/10", "fe80::1%eth0", 80, True),
    ],
)
def test_the_operator_can_allow_networks_and_single_receivers(
    allowed: str, address: str, port: int, passes: bool
) -> None:
    policy = Policy([allowed])
    if passes:
        policy.check([address], port, own=["127.0.0.1", "::1", "10.1.2.3"])
    else:
        with pytest.raises(Refused):
            policy.check([address], port)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://receiver.example", "receiver.example", 80),
        ("https://Receiver.Example/a?b=%20c&d=[x]", "receiver.example", 443),
        ("https://receiver.example:8443/", "receiver.example", 8443),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example", 80),
        ("http://a_b.example/", "a_b.example", 80),
        ("http://8.8.8.8:9000/", "8.8.8.8", 9000),
        ("http://[2A00:0:0::1]:9000/", "2a00::1", 9000),
        ("HTTP://receiver.example/", "receiver.example", 80),
    ],
)
def test_an_ordinary_url_names_its_target(url: str, host: str, port: int) -> None:
    found = target(url)

    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://good@127.0.0.1/",
        "http://user:password@receiver.example/",
        "http://127.0.0.1\\@good/",
        "http://good#@127.0.0.1",
        "http://127.0\t.0.1/",
        "http://receiver.example/\r\nX-Injected: 1",
        "http://receiver.example/ path",
        "http://receiver.example/\x7f",
        "http:127.0.0.1/",
        "//127.0.0.1",
        "http:///x",
        "http://",
        "http://:80/",
        "http://receiver.example:/",
        "http://receiver.example:0/",
        "http://receiver.example:22/",
        "http://receiver.example:25/",
        "http://receiver.example:5672/",
        "http://receiver.example:99999/",
        "http://receiver.example:-1/",
        "http://receiver.example:８０/",
        "http://receiver.example:80a/",
        "http://bücher.example/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://receiver.example./",
        "http://receiver%00.example/",
        "http://receiver..example/",
        "http://-receiver.example/",
        "http://[::1/",
        "http://[::1]a/",
        "http://[::1]a:80/",
        "http://[::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[v1.x]/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://127.0.0.1.0x7f/",
        "http://receiver.example/" + "x" * 8192,
        "ftp://receiver.example/",
        "file:///etc/passwd",
        "gopher://receiver.example/",
        "data:text/plain,x",
        "trust+http://receiver.example/",
    ],
)
def test_what_clients_read_differently_is_no_target(url: str) -> None:
    with pytest.raises(Refused):
        target(url)
