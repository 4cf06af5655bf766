"""A small cloud: services notify, an agent samples, two collectors store, one is killed, the broker restarts."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.broker import RabbitMQ
from tests.end_to_end import producer
from tests.end_to_end.cloud import Cloud, polled, settings
from tests.end_to_end.program import Api, eventually, run
from tests.receiver import Receiver
from tests.servers import free_port

pytestmark = pytest.mark.end_to_end

ROUNDS = 400  # of four notifications with eight samples, twice
Known = Counter[tuple[str, str, str | None, int | float]]


def expected(first: int, count: int) -> Known:
    """The samples in the producer's notifications; numbers, not the product's code, say so."""
    known: Known = Counter()
    for number in range(first, first + count):
        project = f"project-{number % 3}"
        instance, volume = producer.nova(number)["instance_id"], producer.cinder(number)["volume_id"]
        for meter, amount in (
            ("memory", 2048),
            ("vcpus", 2),
            ("disk.root.size", 20),
            ("disk.ephemeral.size", 0),
        ):
            known[meter, instance, project, amount] += 1
        known["volume.size", volume, project, number % 100 + 1] += 1
        sent = 1_000_000_007 * (number + 1)
        known["image.download", f"image-{number % 5}", project, sent] += 1
        known["image.serve", f"image-{number % 5}", "project-0", sent] += 1
        known["bandwidth", f"label-{number % 4}", project, 3 * number + 1] += 1
    return known


@pytest.fixture
def cloud(folder: Path, database_url: str, rabbitmq: RabbitMQ, port: int) -> Iterator[Cloud]:
    bus = rabbitmq.create_vhost()
    chosen = settings(database_url, bus, port)
    run(folder, chosen, "db", "upgrade")
    database = Database(DatabaseSettings(url=database_url))
    with ExitStack() as running:
        yield Cloud(folder, chosen, database, bus, f"http://127.0.0.1:{port}", running)
    database.dispose()


def notified(cloud: Cloud) -> Known:
    """What the database holds of the notifications' samples."""
    meters = {meter for meter, *_ in expected(0, 1)}
    return Counter(
        (one.meter, one.resource_id, one.project_id, one.volume)
        for one in cloud.stored()
        if one.meter in meters
    )


@contextmanager
def notifying(cloud: Cloud, first: int, count: int) -> Iterator[None]:
    """Rounds of notifications, sent by a process of its own meanwhile, all of them by the end."""
    script = [sys.executable, "-W", "ignore", producer.__file__, cloud.bus, str(first), str(count)]
    with subprocess.Popen(script) as sending:
        yield
        assert sending.wait(120) == 0


@contextmanager
def alarm_receiver(cloud: Cloud) -> Iterator[Receiver]:
    """An alarm that is true at once, and who hears of it."""
    with Receiver() as receiver:
        rule = {
            "meter_name": "hardware.memory.total",
            "comparison_operator": "gt",
            "threshold": 0,
            "period": 60,
        }
        Api(cloud.url, "operator").post(
            "/v2/alarms",
            {"name": "lives", "type": "threshold", "threshold_rule": rule, "alarm_actions": [receiver.url]},
        )
        yield receiver


def test_every_sample_is_stored_once_whoever_is_killed(cloud: Cloud, rabbitmq: RabbitMQ) -> None:
    cloud.start("api")
    metrics_port = free_port()
    agent = cloud.start("agent", metrics__port=str(metrics_port))
    collectors = [cloud.start("collector") for _ in range(2)]
    eventually(lambda: Api(cloud.url).status("/readyz") == 200, "ready")
    eventually(lambda: len(bindings(rabbitmq, cloud)) >= 8, "the services' exchanges are bound")

    with notifying(cloud, 0, ROUNDS):
        eventually(lambda: notified(cloud).total() > ROUNDS, "some are stored")
        collectors[0].kill()
        assert notified(cloud).total() < expected(0, ROUNDS).total()
    eventually(lambda: notified(cloud) == expected(0, ROUNDS), "the other one stores the rest")

    collectors[0] = cloud.start("collector")
    rabbitmq.restart()
    eventually(lambda: len(bindings(rabbitmq, cloud)) >= 8, "bound again after the restart")
    cloud.start("evaluator")
    with alarm_receiver(cloud) as receiver:
        with notifying(cloud, ROUNDS, ROUNDS):
            pass
        whole = expected(0, 2 * ROUNDS)
        eventually(lambda: notified(cloud) == whole, "set and sum are what was sent")
        receiver.wait(1)
        eventually(
            lambda: polled(metrics_port) == agents_samples(cloud), "every polled sample is stored once"
        )

        check_statistics(cloud, whole)
        check_webhooks(cloud, receiver)
    assert agent.runs
    for one in (agent, *collectors):
        code, seconds = one.stop()
        assert (code, seconds < 10) == (0, True)


def bindings(rabbitmq: RabbitMQ, cloud: Cloud) -> list[str]:
    """The bindings of our notification queue to exchanges other than the default one."""
    vhost = cloud.bus.rsplit("/", 1)[1]
    lines = rabbitmq.management("list_bindings", "-p", vhost, "source_name", "destination_name").splitlines()
    return [line for line in lines if "nephometer.notifications" in line and not line.startswith("\t")]


def agents_samples(cloud: Cloud) -> int:
    """How many samples of the agent are stored."""
    meters = {meter for meter, *_ in expected(0, 1)}
    return sum(1 for one in cloud.stored() if one.meter not in meters)


def check_statistics(cloud: Cloud, whole: Known) -> None:
    """The API's sums are the oracle's, and a tenant's are its own."""
    for token, project in (("operator", None), ("tenant", "project-1")):
        api = Api(cloud.url, token)
        for meter in ("image.download", "bandwidth", "volume.size", "memory"):
            amounts = [
                amount
                for (name, _, owner, amount), times in whole.items()
                for _ in range(times)
                if name == meter and project in (None, owner)
            ]
            (row,) = api.get(f"/v2/meters/{meter}/statistics")
            answered: dict[str, Any] = {key: row[key] for key in ("count", "sum", "min", "max")}
            assert answered == {
                "count": len(amounts),
                "sum": float(sum(amounts)),
                "min": float(min(amounts)),
                "max": float(max(amounts)),
            }


def check_webhooks(cloud: Cloud, receiver: Receiver) -> None:
    """One webhook came, signed with the secret the operator can read."""
    (received,) = receiver.received
    secret = Api(cloud.url, "operator").get("/v3/webhooks/secret")["secret"]
    headers = {name: value for name, value in received.headers.items() if name.startswith("webhook-")}
    said = Webhook(secret).verify(received.body.decode(), headers)
    assert (said["previous"], said["current"]) == ("insufficient data", "alarm")
