"""Two real RabbitMQs at once, one of which speaks TLS with a private authority, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from collector.bus import NotificationPublisher, SamplePublisher
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from tests.broker import RabbitMQ
from tests.certificates import Authority, Pair
from tests.collector.brokers import inspected, names, resources, send, settings, storing, until, volumes
from tests.collector.factories import StubPublisher, good

TLS = """
listeners.ssl.1 = 127.0.0.1:{{tls_port}}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {cert}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.issue("client")


@pytest.fixture(scope="module")
def second(authority: Authority) -> Iterator[RabbitMQ]:
    """A broker whose certificate is for localhost, and who wants one of its clients."""
    server = authority.issue("localhost")
    broker = RabbitMQ(TLS.format(authority=authority.file, cert=server.cert, key=server.key))
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def secure(second: RabbitMQ, authority: Authority, client: Pair) -> BusSettings:
    """Settings that prove who both are."""
    url = f"amqps://guest:guest@localhost:{second.tls_port}/{second.create_vhost().rpartition('/')[2]}"
    return settings(url, tls_ca=authority.file, tls_cert=client.cert, tls_key=client.key)


def changed(given: BusSettings, **fields: object) -> BusSettings:
    return given.model_copy(update=fields)


def test_batches_and_notifications_travel_by_tls(secure: BusSettings, keeper: StubPublisher) -> None:
    assert secure.url is not None
    agent, service = SamplePublisher(secure), NotificationPublisher(secure.url, secure)

    with storing(secure, keeper):
        agent.send(encode_batch([good(1)]))
        service.send("nova", "notifications.info", volumes(1)[0])
        until(lambda: len(keeper.samples) == 2)
    agent.close()
    service.close()

    assert resources(keeper) == ["vm-1", "volume-0"]


def test_oslo_messagings_url_says_all_about_tls(
    secure: BusSettings, authority: Authority, client: Pair
) -> None:
    assert secure.url is not None
    place = secure.url.get_secret_value().removeprefix("amqps")
    files = f"ssl_ca_file={authority.file}&ssl_cert_file={client.cert}&ssl_key_file={client.key}"

    state = inspected(settings(f"rabbit{place}?ssl=1&{files}"))

    assert state.queues == {}


def test_a_broker_that_cannot_prove_who_it_is_is_refused(secure: BusSettings, tmp_path: Path) -> None:
    assert secure.url is not None
    elsewhere = SecretStr(secure.url.get_secret_value().replace("localhost", "127.0.0.1"))
    stranger = Authority(tmp_path, "stranger")

    for wrong in (
        changed(secure, tls_ca=stranger.file),
        changed(secure, tls_ca=None),
        changed(secure, url=elsewhere),
    ):
        with pytest.raises(BusUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            inspected(wrong)
        with pytest.raises(BusUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            SamplePublisher(wrong).send(b"")

    with capture_logs() as logs:
        inspected(changed(secure, url=elsewhere, tls_verify=False))
    assert "tls_not_verified" in [entry["event"] for entry in logs]


def test_a_broker_that_wants_a_certificate_gets_none_of_a_stranger(
    secure: BusSettings, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("client")

    with pytest.raises(BusUnavailable):
        inspected(changed(secure, tls_cert=None, tls_key=None))
    with pytest.raises(BusUnavailable):
        inspected(changed(secure, tls_cert=stranger.cert, tls_key=stranger.key))


def test_files_that_cannot_be_used_are_named(secure: BusSettings, tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match=r"nowhere\.pem"):
        inspected(changed(secure, tls_ca=tmp_path / "nowhere.pem"))


def test_a_broker_that_is_down_holds_up_no_other(url: str, second: RabbitMQ, keeper: StubPublisher) -> None:
    other = second.create_vhost()
    cells = settings(url, notification_urls=(SecretStr(url), SecretStr(other)))

    with storing(cells, keeper) as bus:
        send(other, volumes(3)[0])
        until(lambda: len(keeper.samples) == 1)
        second.stop()
        until(lambda: not bus.is_connected)
        send(url, volumes(3)[1])
        until(lambda: len(keeper.samples) == 2)
        second.start()
        until(lambda: bus.is_connected, 30)
        send(other, volumes(3)[2])
        until(lambda: len(keeper.samples) == 3)

    assert resources(keeper) == names(3)
