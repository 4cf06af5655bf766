"""What every publisher has to do, tried with a receiver of its kind."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from collector.errors import InvalidPublisher
from collector.parcels import owed_samples
from collector.publishers.publisher import Publisher
from collector.publishers.urls import Around, publisher_of
from collector.settings import BusSettings
from storage.database import Database
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES
from storage.outgoing import Outgoing
from storage.standings import Standings
from tests.collector.publishers.metric_receivers import (
    InfluxReceiver,
    OpenTelemetryReceiver,
    PushGatewayReceiver,
    RemoteWriteReceiver,
)
from tests.collector.publishers.openstack_services import GnocchiReceiver, ZaqarReceiver
from tests.collector.publishers.receivers import (
    BusReceiver,
    FileReceiver,
    HttpReceiver,
    Receiver,
    TcpReceiver,
    UdpReceiver,
)
from tests.collector.publishers.stubs import EVENT, Clock, outlet
from tests.conftest import installed
from tests.factories import MINUTE, sample, series

AROUND = Around(BusSettings(), "a long secret of the tests")
SAMPLES = [
    *series(5),
    *series(3, meter="disk.usage", type="gauge", unit="B", resource_id="instance-2"),
    sample(
        meter="requests", type="delta", unit="request", id=bytes(15) + b"\x01", project_id=None, user_id=None
    ),
]

Make = Callable[[pytest.FixtureRequest, Path], Receiver]

RECEIVERS: dict[str, Make] = {
    "file": lambda _, folder: FileReceiver(folder),
    "http": lambda _, folder: HttpReceiver(),
    "cloudevents": lambda _, folder: HttpReceiver("?format=cloudevents&batch=false"),
    "udp": lambda _, folder: UdpReceiver(),
    "tcp": lambda _, folder: TcpReceiver(),
    "pushgateway": lambda _, folder: PushGatewayReceiver(),
    "remote-write": lambda _, folder: installed(RemoteWriteReceiver),
    "opentelemetry": lambda _, folder: OpenTelemetryReceiver(),
    "gnocchi": lambda _, folder: GnocchiReceiver(),
    "zaqar": lambda _, folder: ZaqarReceiver(),
    "influx": lambda _, folder: InfluxReceiver(),
    "notifier": lambda request, folder: BusReceiver(request.getfixturevalue("rabbitmq")),
}
FORGETFUL = {"udp"}  # nobody says whether anything arrived


@pytest.fixture(params=RECEIVERS)
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    made = RECEIVERS[request.param](request, tmp_path)
    made.start()
    yield made
    if isinstance(made, BusReceiver):
        made.start()  # other tests use the broker, too
    elif isinstance(made, RemoteWriteReceiver):
        made.close()
    else:
        made.kill()


@pytest.fixture
def publisher(receiver: Receiver) -> Iterator[Publisher]:
    made = publisher_of(receiver.url, AROUND)
    yield made
    made.close()


def test_everything_arrives(receiver: Receiver, publisher: Publisher) -> None:
    publisher.publish(arrange(SAMPLES), ())

    assert receiver.ids() == receiver.expected(SAMPLES)


def test_events_arrive_where_they_are_taken(receiver: Receiver, publisher: Publisher) -> None:
    if "events" not in publisher.takes:
        pytest.skip("it takes none")

    publisher.publish(NO_SAMPLES, [EVENT])

    assert receiver.ids() == (set() if isinstance(receiver, GnocchiReceiver) else {EVENT.message_id})


def test_nothing_is_sent_when_there_is_nothing(receiver: Receiver, publisher: Publisher) -> None:
    before = receiver.ids()

    publisher.publish(NO_SAMPLES, ())

    assert receiver.ids() == before


def test_the_name_is_the_url_without_a_secret(receiver: Receiver, publisher: Publisher) -> None:
    assert publisher.name.partition("://")[0] == receiver.url.partition("://")[0]
    assert "s3cret" not in publisher.name
    assert "guest" not in publisher.name
    assert len(publisher.takes) > 0


def test_a_killed_receiver_gets_everything_when_it_is_back(
    request: pytest.FixtureRequest, receiver: Receiver, publisher: Publisher, store: Database, clock: Clock
) -> None:
    if request.node.callspec.params["receiver"] in FORGETFUL:
        pytest.skip("nobody says whether anything arrived")
    outgoing, one = Outgoing(store), outlet(store, publisher, clock)
    outgoing.put(list(owed_samples(publisher.name, arrange(SAMPLES[:5]))), clock())
    clock.pass_by(timedelta(seconds=1))
    one.turn()

    receiver.kill()
    outgoing.put(list(owed_samples(publisher.name, arrange(SAMPLES[5:]))), clock())
    clock.pass_by(timedelta(seconds=1))
    while_away = one.turn()
    receiver.start()
    clock.pass_by(MINUTE)
    once_back = [one.turn(), one.turn()]

    assert (while_away or 0) > 0
    assert once_back == [0, None]
    assert receiver.ids() == receiver.expected(SAMPLES)


def test_an_option_nobody_knows_is_an_error(receiver: Receiver) -> None:
    mark = "&" if "?" in receiver.url else "?"

    with pytest.raises(InvalidPublisher, match="unknown option colour; there are"):
        publisher_of(f"{receiver.url}{mark}colour=red", AROUND)


@pytest.mark.parametrize(
    "option", ["Token", "api_key", "X-Auth-Token", "sig", "u=admin&p", "access_key", "user_password"]
)
def test_no_complaint_shows_a_secret_whatever_it_is_called(option: str) -> None:
    with pytest.raises(InvalidPublisher, match="unknown option") as refused:
        publisher_of(f"https://user:s3cret@host/path?{option}=s3cret", AROUND)

    assert "s3cret" not in str(refused.value)


def test_the_broker_of_the_settings_is_used_when_the_url_names_none() -> None:
    bus = BusSettings(url=SecretStr("amqp://guest:guest@127.0.0.1:1/"))

    assert publisher_of("notifier://", Around(bus)).name == "notifier://"


def test_a_late_sample_that_prometheus_refuses_holds_up_no_other(store: Database, clock: Clock) -> None:
    receiver = installed(RemoteWriteReceiver)
    receiver.start()
    publisher = publisher_of(receiver.url, AROUND)
    publisher.publish(arrange([sample(timestamp=clock() + 9 * MINUTE)]), ())
    batch = [*series(20, resource_id="other"), sample(), *series(9, meter="late.not")]
    Outgoing(store).put(list(owed_samples(publisher.name, arrange(batch))), clock())
    clock.pass_by(timedelta(seconds=1))

    one = outlet(store, publisher, clock)
    turns = [one.turn(), one.turn()]
    arrived = receiver.ids()
    publisher.close()
    receiver.close()

    assert turns == [0, None]
    assert arrived >= receiver.expected([one for one in batch if one != sample()])
    assert [standing.aside for standing in Standings(store).all()] == [1]
