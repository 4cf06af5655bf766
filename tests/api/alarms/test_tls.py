import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.alarms.address import Policy
from api.alarms.sender import Result, WebhookSender
from tests.api.alarms.factories import delivery
from tests.receiver import Receiver
from tests.web import Reply, WebServer

DAY = timedelta(days=1)


@dataclass
class Secure:
    """A TLS server on loopback for `receiver.example`, and the contexts that trust it or do not."""

    port: int
    trusting: ssl.SSLContext


def certificate(folder: Path, name: str, until: datetime) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - 30 * DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Secure]:
    until = datetime.now(UTC) + getattr(request, "param", DAY)
    pem = certificate(tmp_path, "receiver.example", until)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = WebServer(lambda _: Reply(), tls=context)
    server.start()
    yield Secure(server.port, ssl.create_default_context(cafile=str(pem)))
    server.close()


def send(secure: Secure, host: str, context: ssl.SSLContext | None) -> Result:
    sender = WebhookSender(Policy(["127.0.0.0/8"]), 5, lambda *_: ["127.0.0.1"], context=context)
    return sender.send(delivery(url=f"https://{host}:{secure.port}/"), {})


REFUSED = Result(None, "the TLS certificate or handshake is not valid")


def test_a_certificate_for_the_name_is_accepted_though_the_connection_goes_to_an_address(
    secure: Secure,
) -> None:
    assert send(secure, "receiver.example", secure.trusting) == Result(204, "")


def test_a_certificate_nobody_vouches_for_is_refused(secure: Secure) -> None:
    assert send(secure, "receiver.example", None) == REFUSED


def test_a_certificate_for_another_name_is_refused(secure: Secure) -> None:
    assert send(secure, "other.example", secure.trusting) == REFUSED


@pytest.mark.parametrize("secure", [-DAY], indirect=True)
def test_an_expired_certificate_is_refused(secure: Secure) -> None:
    assert send(secure, "receiver.example", secure.trusting) == REFUSED


def test_a_receiver_without_tls_is_refused(receiver: Receiver) -> None:
    plain = Secure(receiver.port, ssl.create_default_context())

    assert send(plain, "receiver.example", None) == REFUSED
