"""What is special in the messages of single publishers; that all of it arrives is in test_contract."""

import json
import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.errors import BatchRefused, PublisherUnavailable
from collector.publishers import sockets
from collector.publishers.exposition import text
from collector.publishers.influx import Influx
from collector.publishers.messages import event_object, message_id, sample_message, sample_object
from collector.publishers.otlp import export_request
from collector.publishers.target import parse_url
from collector.publishers.urls import Around, publisher_of
from collector.settings import BusSettings
from collector.signature import is_signed
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES
from storage.sample import make_id
from tests.broker import RabbitMQ
from tests.collector.publishers.receivers import (
    BusReceiver,
    FileReceiver,
    HttpReceiver,
    TcpReceiver,
    UdpReceiver,
)
from tests.collector.publishers.stubs import EVENT
from tests.factories import MINUTE, NOW, sample, series
from tests.web import Reply

SECRET = "a long secret of the tests"
AROUND = Around(BusSettings(), SECRET)
DELTA = sample(meter="requests", type="delta", unit="request", id=make_id("one"))


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    receiver.start()
    yield receiver
    receiver.kill()


@pytest.fixture
def files(tmp_path: Path) -> FileReceiver:
    receiver = FileReceiver(tmp_path, "?max_bytes=3000&backup_count=3")
    receiver.start()
    return receiver


def test_a_sample_has_the_same_id_however_often_it_is_sent() -> None:
    again = replace(sample(), metadata={}, volume=5)

    assert message_id(sample()) == message_id(again)
    assert message_id(sample()) != message_id(sample(timestamp=NOW + MINUTE))
    assert message_id(sample()) != message_id(sample(project_id="other"))
    assert uuid.UUID(message_id(DELTA)).bytes == DELTA.id


def test_a_sample_looks_as_ceilometer_writes_it() -> None:
    written = sample_object(sample())

    assert {key: written[key] for key in ("name", "type", "unit", "volume", "timestamp", "source")} == {
        "name": "cpu",
        "type": "cumulative",
        "unit": "ns",
        "volume": 1_000_000_000,
        "timestamp": "2026-11-23T12:00:00+00:00",
        "source": "openstack",
    }
    assert written["resource_metadata"] == sample().metadata


def test_an_event_looks_as_ceilometer_writes_it() -> None:
    written = event_object(EVENT)

    assert written["generated"] == "2026-11-23T11:59:00.123456"
    assert written["traits"] == [
        ["launched_at", 4, "2026-11-23T11:58:00"],
        ["load", 3, 1.0],
        ["memory_mb", 2, 2048],
        ["state", 1, "active ☺"],
    ]
    assert written["raw"] == EVENT.raw


def test_messages_of_the_bus_are_signed_when_there_is_a_secret() -> None:
    assert is_signed(sample_message(sample(), SECRET), SECRET)
    assert sample_message(sample(), None)["message_signature"] == ""


def test_a_full_file_is_turned_over_and_the_oldest_go(files: FileReceiver) -> None:
    publisher = publisher_of(files.url, AROUND)

    for number in range(40):
        publisher.publish(arrange(series(1, resource_id=f"vm-{number:02}")), ())

    kept = [message["resource_id"] for message in files.messages()]
    assert sorted(path.name for path in files.file.parent.iterdir()) == [
        "samples.json",
        "samples.json.1",
        "samples.json.2",
        "samples.json.3",
    ]
    assert kept == [f"vm-{number:02}" for number in range(40 - len(kept), 40)]
    assert max(path.stat().st_size for path in files.file.parent.iterdir()) <= 3000


def test_a_line_somebody_was_killed_in_harms_no_other(files: FileReceiver) -> None:
    files.file.write_bytes(b'{"id": "half a li')

    publisher_of(files.url, AROUND).publish(arrange(series(1)), ())

    first, second = files.file.read_text().splitlines()
    assert first == '{"id": "half a li'
    assert json.loads(second)["id"] == message_id(sample())


@pytest.mark.parametrize(("status", "error"), [(400, BatchRefused), (422, BatchRefused), (413, BatchRefused)])
def test_what_is_about_the_batch_is_refused(http: HttpReceiver, status: int, error: type[Exception]) -> None:
    http.answer = lambda _request: Reply(status, b"no such\nthing")
    publisher = publisher_of(http.url, AROUND)

    with pytest.raises(error, match=f"HTTP {status}: no such thing"):
        publisher.publish(arrange(series(1)), ())
    publisher.close()


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_what_somebody_can_mend_is_tried_again(http: HttpReceiver, status: int) -> None:
    http.answer = lambda _request: Reply(
        status, headers={"retry-after": "7", "location": "http://elsewhere/"}
    )
    publisher = publisher_of(http.url, AROUND)

    with pytest.raises(PublisherUnavailable, match=f"HTTP {status}") as raised:
        publisher.publish(arrange(series(1)), ())
    publisher.close()

    assert raised.value.wait is not None
    assert raised.value.wait.total_seconds() == 7


def test_credentials_of_the_url_are_sent_and_never_shown(http: HttpReceiver) -> None:
    publisher = publisher_of(http.url, AROUND)

    publisher.publish(arrange(series(1)), ())
    publisher.close()

    assert http.requests[0].headers["authorization"] == "Basic dXNlcjpzM2NyZXQ="
    assert http.requests[0].headers["content-type"] == "application/json"
    assert publisher.name == f"http://127.0.0.1:{http.port}/usage"


def test_of_events_only_the_payload_where_that_is_asked_for(http: HttpReceiver) -> None:
    publisher = publisher_of(f"{http.url}?raw_only=1", AROUND)

    publisher.publish(NO_SAMPLES, [EVENT, replace(EVENT, raw=None)])
    publisher.close()

    assert json.loads(http.requests[0].body) == [EVENT.raw]


def test_cloud_events_have_what_their_specification_demands(http: HttpReceiver) -> None:
    publisher = publisher_of(f"{http.url}?format=cloudevents", AROUND)

    publisher.publish(arrange([sample()]), [EVENT])
    publisher.close()

    (of_sample, of_event) = http.messages()
    assert http.requests[0].headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    for one in (of_sample, of_event):
        assert one["specversion"] == "1.0"
        assert all(one[key] for key in ("id", "source", "type"))
    assert (of_sample["type"], of_sample["subject"]) == ("org.openstack.telemetry.sample", "instance-1")
    assert (of_event["id"], of_event["subject"]) == (EVENT.message_id, EVENT.event_type)


@pytest.mark.parametrize("receiver", [UdpReceiver(), TcpReceiver()])
def test_samples_on_plain_sockets_are_ceilometers_signed(receiver: UdpReceiver | TcpReceiver) -> None:
    receiver.start()
    publisher = publisher_of(receiver.url, AROUND)

    publisher.publish(arrange([DELTA]), ())
    publisher.close()
    (message,) = receiver.messages()
    receiver.kill()

    assert (message["counter_name"], message["counter_volume"]) == ("requests", DELTA.volume)
    assert is_signed(message, SECRET)


def test_notifications_are_those_of_ceilometer(rabbitmq: RabbitMQ) -> None:
    receiver = BusReceiver(rabbitmq, ("metering", "event", "alarm.all"))
    receiver.start()
    plain = publisher_of(f"{receiver.url}?per_meter_topic=1", AROUND)
    for_alarms = publisher_of(f"{receiver.url}?topic=alarm.all&driver=messaging", AROUND)

    plain.publish(arrange([sample(), DELTA]), [EVENT])
    plain.publish(arrange([sample()]), ())
    for_alarms.publish(NO_SAMPLES, [EVENT])
    for one in (plain, for_alarms):
        one.close()

    sent = receiver.notifications()
    types = [one["event_type"] for one in sent]
    assert types == [
        "metering",
        "metering.cpu",
        "metering.requests",
        "event",
        "metering",
        "metering.cpu",
        "event",
    ]
    assert {one["priority"] for one in sent} == {"SAMPLE"}
    assert sent[1]["message_id"] == sent[5]["message_id"]
    assert all(is_signed(one, SECRET) for message in sent for one in message["payload"])


def test_the_text_of_prometheus_has_each_series_once_and_each_family_together() -> None:
    odd = 'a"b\\c\nd'
    samples = [
        *series(3),
        sample(meter="disk.usage", type="gauge"),
        sample(resource_id=odd),
        sample(meter="1st-one"),
    ]

    families = list(text_string_to_metric_families(text(samples).decode()))

    found = {(family.name, family.type): [one.value for one in family.samples] for family in families}
    assert found == {
        ("cpu", "counter"): [3_000_000_000, 1_000_000_000],
        ("disk_usage", "gauge"): [1_000_000_000],
        ("_1st_one", "counter"): [1_000_000_000],
    }
    assert families[0].samples[1].labels["resource_id"] == odd


def test_points_of_opentelemetry_have_exact_times_and_whole_numbers() -> None:
    moment = NOW.replace(microsecond=123456)
    large = sample(volume=2**63 - 1, timestamp=moment)

    request: Any = export_request([large, sample(meter="load", type="gauge", volume=0.5), DELTA])

    ((counter, gauge, delta),) = [one["scopeMetrics"][0]["metrics"] for one in request["resourceMetrics"]]
    (point,) = counter["sum"]["dataPoints"]
    assert point["timeUnixNano"] == str((1_795_435_200 * 10**6 + 123456) * 1000)
    assert point["asInt"] == "9223372036854775807"
    assert (counter["sum"]["aggregationTemporality"], counter["sum"]["isMonotonic"]) == (2, True)
    assert gauge["gauge"]["dataPoints"][0]["asDouble"] == 0.5
    assert delta["sum"]["aggregationTemporality"] == 1


def test_lines_of_influxdb_are_escaped(http: HttpReceiver) -> None:
    publisher = Influx(parse_url(f"influx://127.0.0.1:{http.port}/?db=usage"))

    publisher.publish(
        arrange([sample(meter="a b,c", resource_id="x=1, y\\", project_id=None, user_id=None)]), ()
    )
    publisher.close()

    assert http.requests[0].path == "/write?db=usage&precision=ns"
    assert (
        http.requests[0].body
        == b"a\\ b\\,c,resource_id=x\\=1\\,\\ y/ value=1000000000.0 1795435200000000000\n"
    )


def test_a_tcp_receiver_that_keeps_the_connection_open_counts_as_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "END_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = publisher_of(f"tcp://127.0.0.1:{server.getsockname()[1]}", AROUND)

        publisher.publish(arrange(series(3)), ())  # it is not even accepted yet

        connection, _ = server.accept()
        with connection:
            assert len(connection.recv(65_536)) > 500
