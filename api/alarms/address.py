"""Where a webhook may go: checks of URLs and addresses, without a connection.

Tenants choose these URLs and this server sends to them, so whatever only this server can reach is refused.
`ipaddress.is_global` is no help: Python 3.11 calls NAT64, 6to4 and multicast addresses global.
"""

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

Address: TypeAlias = IPv4Address | IPv6Address

NETWORK_SCHEMES = ("http", "https")
LOCAL_SCHEMES = ("log", "test")
MAX_URL = 2048

# Of the ports below 1024 only those of the web; above, those where other protocols listen.
WEB_PORTS = {80, 443}
FOREIGN_PORTS = frozenset(
    {1433, 1521, 2049, 2375, 2376, 2379, 2380, 3260, 3306, 3389, 4369, 5432, 5671, 5672, 6000, 6379}
    | {6566, 6665, 6666, 6667, 6668, 6669, 6697, 9042, 10080, 11211, 16509, 25672, 27017}
)

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# What resolvers take for a spelling of an IPv4 address: decimal, octal, hexadecimal.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

DENIED_IPV4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Only this is routed on the internet (RFC 4291), less what follows.
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
DENIED_IPV6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address
        "3ffe::/16",
        "3fff::/20",
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(ValueError):
    """A webhook must not go there; the text says why without telling what a name resolved to."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an http or https URL points: `host` is a name or address without brackets."""

    scheme: str
    host: str
    port: int


def check_action(url: str) -> None:
    """Raises Refused for an action URL, of a network or a local scheme, that nothing can be sent to."""
    if url.partition(":")[0].lower() in LOCAL_SCHEMES:
        _split(url)
    else:
        target(url)


def target(url: str) -> Target:
    """The target of an action URL with a network scheme; raises Refused for what clients read differently."""
    parts, port = _split(url)
    if parts.scheme not in NETWORK_SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        raise Refused("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise Refused("the URL must not hold a user name or password")
    if "#" in url:
        raise Refused("the URL must not hold a fragment")
    return Target(parts.scheme, _host(parts), _port(parts.scheme, port, parts.netloc))


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of a URL that all clients take apart alike, and its port, if any."""
    if len(url) > MAX_URL:
        raise Refused(f"the URL is longer than {MAX_URL} characters")
    if not all("!" <= character <= "~" and character != "\\" for character in url):
        raise Refused("the URL may only hold visible ASCII characters and no backslash")
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as error:
        raise Refused("the URL has no valid host and port") from error


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if parts.netloc.startswith("["):
        if not re.fullmatch(r"\[[^]]*\](:[0-9]*)?", parts.netloc, re.ASCII):
            _refuse_host()
        try:
            return str(IPv6Address(host)) if "%" not in host else _refuse_host()
        except ValueError:
            _refuse_host()
    labels = host.split(".")
    if not all(LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        _refuse_host()
    if NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise Refused("an IPv4 address is written as four decimal numbers") from error
    return host


def _refuse_host() -> str:
    raise Refused("the URL has no valid host")


def _port(scheme: str, port: int | None, netloc: str) -> int:
    if port is None:
        if netloc.endswith(":"):
            raise Refused("the URL has an empty port")
        return 443 if scheme == "https" else 80
    if (port < 1024 and port not in WEB_PORTS) or port in FOREIGN_PORTS:
        raise Refused(f"webhooks are not sent to port {port}")
    return port


class Policy:
    """Which addresses webhooks may go to: public ones, and what the operator allows.

    `allowed` lists networks ("10.0.0.0/8") and single receivers ("127.0.0.1:9000", "[::1]:9000").
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._receivers = {_receiver(text) for text in allowed if _is_receiver(text)}
        self._networks = [ipaddress.ip_network(text) for text in allowed if not _is_receiver(text)]

    def check(self, addresses: Sequence[str], port: int, own: Collection[str] = ()) -> None:
        """Raises Refused unless every address may be connected to; `own` are those of this machine."""
        if not addresses:
            raise Refused("the receiver's name has no address")
        mine = {_plain(ipaddress.ip_address(text)) for text in own}
        for text in addresses:
            address = _plain(ipaddress.ip_address(text))
            if not self._is_allowed(address, port) and (address in mine or not is_public(address)):
                raise Refused("the receiver's address is not public; alarms.allow_networks can allow it")

    def _is_allowed(self, address: Address, port: int) -> bool:
        return (address, port) in self._receivers or any(address in network for network in self._networks)


def is_public(address: Address) -> bool:
    """Whether an address, and the IPv4 address it may carry, belongs to the public internet."""
    address = _plain(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in DENIED_IPV4)
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in GLOBAL_IPV6 and not any(address in network for network in DENIED_IPV6)


def _plain(address: Address) -> Address:
    """The IPv4 address of ::ffff:a.b.c.d, which the kernel connects to as such; else the address, unscoped."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _is_receiver(text: str) -> bool:
    return "/" not in text and (text.startswith("[") or text.count(":") == 1)


def _receiver(text: str) -> tuple[Address, int]:
    address, _, port = text.rpartition(":")
    return _plain(ipaddress.ip_address(address.strip("[]"))), int(port)
