"""TLS of publishers that speak HTTP: verified unless told otherwise, with a certificate of our own where asked for."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collector.errors import PublisherUnavailable
from collector.publishers.urls import Around, publisher_of
from collector.settings import BusSettings
from storage.ingest.arranged import arrange
from tests.certificates import Authority
from tests.factories import sample
from tests.web import Reply, Request, WebServer


@dataclass
class Secure:
    """A server that demands a certificate of the authority, and has one itself."""

    authority: Path
    options: str
    port: int = 0
    taken: list[str] = field(default_factory=list)

    def publish(self, query: str) -> None:
        """One sample over `https` with these options; raises PublisherUnavailable."""
        publisher = publisher_of(
            f"https://localhost:{self.port}/?max_retries=0&{query}", Around(BusSettings())
        )
        try:
            publisher.publish(arrange([sample()]), ())
        finally:
            publisher.close()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    authority = Authority(tmp_path)
    own, client = authority.issue("localhost"), authority.issue("client")
    made = Secure(authority.file, f"clientcert={client.cert}&clientkey={client.key}")

    def take(request: Request) -> Reply:
        made.taken.append(request.path)
        return Reply(204)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(own.cert, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = WebServer(take, tls=context)
    made.port = server.port
    server.start()
    yield made
    server.close()


def test_a_server_nobody_vouches_for_gets_nothing(secure: Secure) -> None:
    with pytest.raises(PublisherUnavailable, match="certificate verify failed"):
        secure.publish(secure.options)

    assert secure.taken == []


def test_an_authority_of_ones_own_can_be_trusted(secure: Secure) -> None:
    secure.publish(f"{secure.options}&verify_ssl={secure.authority}")

    assert len(secure.taken) == 1


def test_verification_can_be_switched_off(secure: Secure) -> None:
    secure.publish(f"{secure.options}&verify_ssl=false")

    assert len(secure.taken) == 1


def test_without_a_certificate_of_ones_own_such_a_server_refuses(secure: Secure) -> None:
    with pytest.raises(PublisherUnavailable):
        secure.publish(f"verify_ssl={secure.authority}")

    assert secure.taken == []
