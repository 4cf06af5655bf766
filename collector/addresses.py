"""Where a broker is: the URL forms of pika, kombu and oslo.messaging, read into one shape.

amqp://user:password@host:5672/vhost          amqps://host/vhost
rabbit://u:p@one:5672,u:p@two:5672/vhost?ssl=1&ssl_ca_file=/etc/ca.pem      oslo.messaging's transport_url
amqp://u:p@one//;amqp://u:p@two//             kombu's list of brokers
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

PLAIN = frozenset({"amqp", "rabbit", "pyamqp", "kombu"})
ENCRYPTED = frozenset({"amqps"})
PORT, TLS_PORT = 5672, 5671
YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})

# What oslo.messaging calls a file, what RabbitMQ's URI specification calls it.
CA, CERT, KEY = ("ssl_ca_file", "cacertfile"), ("ssl_cert_file", "certfile"), ("ssl_key_file", "keyfile")


@dataclass(frozen=True, slots=True)
class Host:
    """One server of a broker and who we are there. `port` is None when the URL names none."""

    name: str
    port: int | None
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A broker: its servers in the order they are tried, the virtual host, and how TLS is spoken, if it is.

    The three files are None where the URL names none.
    """

    hosts: tuple[Host, ...]
    virtual_host: str
    is_encrypted: bool
    default_port: int = PORT
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def port(self, host: Host) -> int:
        """The port of one of the servers."""
        return host.port or self.default_port

    def __str__(self) -> str:
        """Servers and virtual host without users and passwords: fit for logs and metrics."""
        hosts = ",".join(_shown(host) for host in self.hosts)
        return f"{hosts}/{'' if self.virtual_host == '/' else self.virtual_host}"


def parse_address(url: str) -> Address:
    """The broker of a URL; options of it that do not concern TLS are ignored.

    Raises ValueError without quoting the URL, which may hold a password.
    """
    parts = [_parse_one(part) for part in url.split(";") if part]
    if not parts:
        raise ValueError("is empty")
    if len({(part.virtual_host, part.is_encrypted) for part in parts}) > 1:
        raise ValueError("must have one virtual host and one scheme for all of its servers")
    return replace(parts[0], hosts=tuple(host for part in parts for host in part.hosts))


def _parse_one(url: str) -> Address:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("cannot be understood") from None  # its text may quote the password
    if parts.scheme not in PLAIN | ENCRYPTED:
        raise ValueError("must begin with amqp://, amqps:// or rabbit://")
    options = dict(parse_qsl(parts.query))
    # `//` is kombu's and oslo.messaging's way to write the virtual host `/`, pika takes none for it.
    virtual_host = unquote(parts.path[1:]) or "/"
    is_asked, is_amqps = _is_asked(options), parts.scheme in ENCRYPTED
    # With ssl=1 oslo.messaging still takes the port of plain connections where the URL names none.
    port = TLS_PORT if is_amqps else PORT
    files = (_file(options, names) for names in (CA, CERT, KEY))
    return Address(_hosts(parts.netloc), virtual_host, is_amqps or is_asked, port, *files)


def _hosts(netloc: str) -> tuple[Host, ...]:
    """The servers; one without a user takes that of the server before it."""
    hosts: list[Host] = []
    user, password = "guest", "guest"  # RabbitMQ's default account
    for part in [part for part in netloc.split(",") if part] or [""]:
        account, at, place = part.rpartition("@")
        if at:
            user, _, password = (unquote(text) for text in account.partition(":"))
        name, port = _place(place)
        hosts.append(Host(name, port, user, password))
    return tuple(hosts)


def _place(place: str) -> tuple[str, int | None]:
    name, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):  # an IPv6 address without a port
        name, port = place, ""
    if port and not (port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError("has a port that is not a number from 1 to 65535")
    return name.strip("[]") or "localhost", int(port) if port else None


def _is_asked(options: Mapping[str, str]) -> bool:
    word = options.get("ssl", "").lower()
    if word not in YES | NO:
        raise ValueError("has an option ssl that is neither 1 nor 0")
    return word in YES


def _file(options: Mapping[str, str], names: tuple[str, ...]) -> Path | None:
    return next((Path(options[name]) for name in names if options.get(name)), None)


def _shown(host: Host) -> str:
    name = f"[{host.name}]" if ":" in host.name else host.name
    return f"{name}:{host.port}" if host.port else name
