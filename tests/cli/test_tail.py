"""`nephometer tail` in front of a real broker, beside a collector."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from cli import heard
from cli.heard import Heard
from collector.bus import Overheard
from collector.trial import Trial
from tests.broker import RabbitMQ
from tests.cli.conftest import Nephometer
from tests.collector.brokers import channel, send, settings, storing, until, volumes
from tests.collector.factories import MAPPING, StubPublisher, message, notification, payload

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def url(rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> str:
    """A broker with the exchanges of two services, which the command's settings name."""
    fresh = rabbitmq.create_vhost()
    monkeypatch.setenv("NEPHOMETER_BUS__URL", fresh)
    monkeypatch.setenv("NEPHOMETER_BUS__EXCHANGES", "nova,openstack")
    return fresh


def body(**fields: object) -> bytes:
    return json.dumps(notification(**fields)).encode()


@contextmanager
def sending(url: str, *bodies: bytes) -> Iterator[None]:
    """Sends all of them again and again, as nobody knows when the listener has begun."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(0.1):
            send(url, *bodies)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_it_shows_what_becomes_of_each_and_takes_nothing_away(url: str, nephometer: Nephometer) -> None:
    database = StubPublisher()
    sent = [body(), body(event_type="unheard.of"), body(payload=payload(size="large")), b"{"]

    with storing(settings(url), database), sending(url, *sent):
        ended = nephometer("tail", "--count", "8")
        until(lambda: len(database.refused) >= 2)

    assert ended.code == 0
    assert "volume.exists of volume.node-1 (openstack, notifications.info)" in ended.out
    assert "    sample volume.size = 10 GiB (gauge) of volume-1, project project-1" in ended.out
    assert "    event volume.exists: " in ended.out
    assert "    refused: volume.size: volume is not a number" in ended.out
    assert "    no sample: no definition names it" in ended.out
    assert " unreadable (openstack, notifications.info)" in ended.out
    assert {sample.meter for sample in database.samples} == {"volume.size"}


def test_programs_get_an_object_a_line_of_the_types_they_want(url: str, nephometer: Nephometer) -> None:
    with channel(url) as service:
        service.exchange_declare("openstack", "topic")
        with sending(url, body(event_type="image.create"), *volumes(1)):
            ended = nephometer(
                "tail", "-f", "json", "--raw", "-e", "compute.*", "-e", "volume.*", "--count", "2"
            )

    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["event_type"] for line in lines] == ["volume.exists"] * 2
    assert lines[0]["samples"][0]["meter"] == "volume.size"
    assert lines[0]["events"][0]["event_type"] == "volume.exists"
    assert lines[0]["raw"]["payload"]["volume_id"] == "volume-0"
    assert "exchanges_not_bound" in ended.err
    assert "nova" in ended.err


def test_without_a_broker_it_says_what_to_do(nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch) -> None:
    unset = nephometer("tail")
    monkeypatch.setenv("NEPHOMETER_BUS__URL", "amqp://guest:hunter2@127.0.0.1:1/")
    away = nephometer("tail")

    assert (unset.code, away.code) == (2, 1)
    assert "bus.url is not set" in unset.err
    assert away.err == "nephometer: the broker 127.0.0.1:1/ is away: Connection refused\n"


def test_ctrl_c_ends_it_cleanly(url: str) -> None:
    with channel(url) as service:
        service.exchange_declare("openstack", "topic")
        service.exchange_declare("nova", "topic")
    with (
        sending(url, *volumes(1)),
        subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", "tail"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running,
    ):
        assert running.stdout is not None
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=10)

    assert (running.returncode, said) == (130, b"")


def test_what_drives_terminals_and_what_is_secret_is_not_shown() -> None:
    sent = body(event_type="a\x1b[2Jb", payload={"password": "hunter2", "name": "\x1b]0;x"})
    one = Heard(
        Overheard("broker", "nova", "notifications.info", sent),
        NOW,
        heard.read(sent),
        Trial(MAPPING, NoEvents()).outcome(message(sent)),
    )

    for shown in (heard.as_text(one, raw=True), heard.as_json(one, raw=True)):
        assert "\x1b" not in shown
        assert "hunter2" not in shown
    assert "nothing: no definition names it" in heard.as_text(one, raw=False)


class NoEvents:
    """Makes no event of anything."""

    def event(self, _notification: object, _received_at: datetime) -> None:
        return None
