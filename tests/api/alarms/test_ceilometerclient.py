"""The real command line of Ceilometer's users against a real server, down to the webhook they receive."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from api.alarms.address import Policy
from api.alarms.delivery import DeliveryLoop
from api.alarms.evaluator import Evaluator, rules
from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import WebhookSender
from api.alarms.webhook import Signer
from api.server import serve
from api.settings import AlarmSettings, ApiSettings
from storage.alarms import Alarms
from storage.deliveries import Deliveries
from storage.samples import Samples
from storage.statistics import Statistics
from tests.api.world import World, empty_database
from tests.factories import CPU_UTIL
from tests.receiver import Receiver

COMMAND = Path(sys.executable).with_name("ceilometer")


@dataclass
class CommandLine:
    """Runs `ceilometer` as a member of project A."""

    url: str
    world: World

    def __call__(self, *arguments: str) -> str:
        """What the command prints; fails the test with its error when it fails."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        done = subprocess.run(
            [COMMAND, "--os-token", "member-a", "--os-endpoint", self.url, *arguments],
            env=environment | {"PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def ceilometer(tmp_path: Path) -> Iterator[CommandLine]:
    world = World(empty_database(tmp_path), settings=ApiSettings(port=0))
    stop, started, urls = threading.Event(), threading.Event(), list[str]()

    def listening(url: str) -> None:
        urls.append(url)
        started.set()

    thread = threading.Thread(target=serve, args=(world.app, world.settings, stop, listening), daemon=True)
    thread.start()
    assert started.wait(20)
    yield CommandLine(urls[0], world)
    stop.set()
    thread.join(15)
    world.database.dispose()


def cells(table: str) -> dict[str, str]:
    """A printed two-column table as a mapping."""
    rows = [line.strip("|").split("|", 1) for line in table.splitlines() if line.startswith("|")]
    return {key.strip(): value.strip() for key, value in rows}


CREATE = [
    "alarm-threshold-create",
    "--name",
    "hot",
    "-m",
    "cpu_util",
    "--period",
    "60",
    "--evaluation-periods",
    "1",
    "--statistic",
    "avg",
    "--comparison-operator",
    "gt",
    "--threshold",
    "80",
    "--severity",
    "critical",
    "-q",
    "resource_id=instance-1",
]


def test_the_life_of_an_alarm_on_the_command_line(ceilometer: CommandLine) -> None:
    created = cells(ceilometer(*CREATE, "--alarm-action", "http://receiver.example/", "--time-constraint",
        "name=c;start='0 11 * * *';duration=300;timezone=Europe/Berlin"))  # fmt: skip
    alarm_id = created["alarm_id"]

    listed = ceilometer("alarm-list")
    filtered = ceilometer("alarm-list", "-q", "enabled=boolean::True;name=cold")
    updated = cells(ceilometer("alarm-update", alarm_id, "--threshold", "90", "--name", "warm"))
    shown = cells(ceilometer("alarm-show", alarm_id))
    set_by_hand = cells(ceilometer("alarm-state-set", "--state", "ok", alarm_id))
    asked = cells(ceilometer("alarm-state-get", alarm_id))
    history = ceilometer("alarm-history", alarm_id)
    changes = ceilometer("alarm-history", alarm_id, "-q", "type=state transition")
    ceilometer("alarm-delete", alarm_id)

    assert (created["name"], created["state"], created["severity"]) == (
        "hot",
        "insufficient data",
        "critical",
    )
    assert (created["period"], created["project_id"]) == ("60", "project-a")
    assert "hot" in listed
    assert "hot" not in filtered
    assert (updated["name"], updated["threshold"], shown["threshold"]) == ("warm", "90.0", "90.0")
    assert updated["comparison_operator"] == "gt"
    assert (set_by_hand["state"], asked["state"]) == ("ok", "ok")
    for words in (
        "creation",
        "name: hot",
        "rule: ",
        "rule change",
        "name: warm",
        "state transition",
        "state: ok",
    ):
        assert words in history
    assert "creation" not in changes
    assert "hot" not in ceilometer("alarm-list")
    assert "deletion" in ceilometer("alarm-history", alarm_id)


def test_an_alarm_of_the_legacy_command_gets_every_default(ceilometer: CommandLine) -> None:
    created = cells(
        ceilometer("alarm-create", "--name", "old", "-m", "cpu_util", "--threshold", "5", "--period", "10")
    )

    assert (created["name"], created["statistic"], created["enabled"]) == ("old", "avg", "True")


def test_an_alarm_made_on_the_command_line_fires_a_webhook_its_receiver_can_verify(
    ceilometer: CommandLine, receiver: Receiver
) -> None:
    database, now = ceilometer.world.database, datetime.now(UTC)
    hot = replace(CPU_UTIL, volume=99.5, timestamp=now - timedelta(seconds=20))
    Samples(database).store([hot], received_at=now)
    created = cells(ceilometer(*CREATE, "--alarm-action", receiver.url))
    deliveries, metrics = Deliveries(database), AlarmMetrics(CollectorRegistry())
    signer = Signer(deliveries, None, lambda: datetime.now(UTC))
    settings = AlarmSettings(interval=10, allow_networks=("127.0.0.0/8",))

    later = datetime.now(UTC)
    Evaluator(Alarms(database), rules(Statistics(database)), settings, metrics, lambda: later).evaluate_due(
        later
    )
    sender = WebhookSender(Policy(settings.allow_networks), settings.delivery_timeout)
    loop = DeliveryLoop(deliveries, sender, signer, metrics, lambda: datetime.now(UTC))
    loop.start_due(datetime.now(UTC))

    (got,) = receiver.wait(1)
    assert loop.wait(10)
    secret = ceilometer.world.client("member-a").get("/v3/webhooks/secret").json()["secret"]
    body = Webhook(secret).verify(got.body, dict(got.headers))
    assert (body["alarm_id"], body["current"]) == (created["alarm_id"], "alarm")
    assert body["reason"] == "Transition to alarm due to 1 samples outside threshold, most recent: 99.5"
    assert cells(ceilometer("alarm-state-get", created["alarm_id"]))["state"] == "alarm"
