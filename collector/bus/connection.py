"""Connections to a broker: its servers tried in turn, TLS verified, every failure a BusUnavailable."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pika
import structlog
from pika.exceptions import AMQPError
from pydantic import SecretStr

from collector.addresses import Address, Host, parse_address
from collector.bus.words import words
from collector.errors import BusUnavailable
from collector.settings import BusSettings

log = structlog.get_logger()

READ_BYTES = 32 * 2**10  # from a socket at once


@contextmanager
def connected(url: SecretStr, settings: BusSettings) -> Iterator[pika.BlockingConnection]:
    """A connection to the first server that answers, closed at the end.

    Raises BusUnavailable for whatever goes wrong with it, also in the block.
    """
    connection = None
    try:
        connection = _first(every_parameters(url, settings))
        _read_much_at_once(connection)
        yield connection
    except (AMQPError, OSError) as error:
        raise BusUnavailable(words(error)) from error
    finally:
        if connection and connection.is_open:
            with suppress(AMQPError, OSError):
                connection.close()


def every_parameters(url: SecretStr, settings: BusSettings) -> list[pika.ConnectionParameters]:
    """How to connect to each server of a broker, in order; raises BusUnavailable when that cannot be known."""
    try:
        address = parse_address(url.get_secret_value())
    except ValueError as error:
        raise BusUnavailable(f"the broker's URL cannot be read: it {error}") from error
    context = _tls(address, settings) if address.is_encrypted else None
    return [_parameters(address, host, context, settings) for host in address.hosts]


def _first(servers: list[pika.ConnectionParameters]) -> pika.BlockingConnection:
    failures = []
    for server in servers:
        try:
            return pika.BlockingConnection(server)
        except (AMQPError, OSError) as error:
            failures.append((server, error))
    if len(failures) == 1:
        raise failures[0][1]
    told = "; ".join(f"{server.host}:{server.port}: {words(error)}" for server, error in failures)
    raise BusUnavailable(told) from failures[-1][1]


def _parameters(
    address: Address, host: Host, context: ssl.SSLContext | None, settings: BusSettings
) -> pika.ConnectionParameters:
    return pika.ConnectionParameters(
        host=host.name,
        port=address.port(host),
        virtual_host=address.virtual_host,
        credentials=pika.PlainCredentials(host.user, host.password),
        heartbeat=settings.heartbeat,
        socket_timeout=settings.timeout,
        stack_timeout=settings.timeout,
        blocked_connection_timeout=settings.timeout,
        client_properties={"connection_name": "nephometer"},
        ssl_options=pika.SSLOptions(context, host.name) if context else None,
    )


def _tls(address: Address, settings: BusSettings) -> ssl.SSLContext:
    """What we trust and who we are; files in the URL go before those of the settings."""
    ca, cert, key = address.ca or settings.tls_ca, address.cert, address.key
    if cert is None:
        cert, key = settings.tls_cert, settings.tls_key
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        named = ", ".join(str(file) for file in (ca, cert, key) if file)
        raise BusUnavailable(f"the files for TLS cannot be used ({named}): {error}") from error
    if not settings.tls_verify:
        log.warning(
            "tls_not_verified", broker=str(address), advice="set bus.tls_ca and bus.tls_verify = true"
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read_much_at_once(connection: pika.BlockingConnection) -> None:
    """pika reads 4 KiB, half of an agent's batch, and looks in vain for its end; nobody can tell it to read more.

    Where another version has no such number, it stays slower and works all the same.
    """
    transport = getattr(getattr(connection, "_impl", None), "_transport", None)
    if transport is not None and hasattr(transport, "_MAX_RECV_BYTES"):
        transport._MAX_RECV_BYTES = READ_BYTES
