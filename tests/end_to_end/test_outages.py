"""Broker and database away, at the start and later: every role waits, says so once and goes on by itself."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.broker import RabbitMQ
from tests.end_to_end.cloud import Cloud, polled, settings
from tests.end_to_end.program import Api, Program, eventually, run
from tests.servers import DatabaseServer, free_port

pytestmark = pytest.mark.end_to_end

ROLES = ("agent", "collector", "api", "evaluator")
# RabbitMQ 3.10 loses the leader of a quorum queue it is killed within about a second of creating.
OLD_ENOUGH_S = 5.0


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def cloud(folder: Path, server: DatabaseServer, rabbitmq: RabbitMQ, port: int) -> Iterator[Cloud]:
    bus, database_url = rabbitmq.create_vhost(), server.create_database()
    chosen = settings(database_url, bus, port)
    database = Database(DatabaseSettings(url=database_url))
    with ExitStack() as running:
        yield Cloud(folder, chosen, database, bus, f"http://127.0.0.1:{port}", running)
    server.start()
    rabbitmq.start()
    database.dispose()


def test_roles_outlive_their_servers(cloud: Cloud, server: DatabaseServer, rabbitmq: RabbitMQ) -> None:
    metrics_port = free_port()
    server.stop()
    rabbitmq.stop()
    roles = {role: cloud.start(role, **extra(role, metrics_port)) for role in ROLES}
    eventually(lambda: Api(cloud.url).status("/readyz") == 503, "the API says it is not ready")
    eventually(lambda: polled(metrics_port) != 0, "the agent samples meanwhile")

    rabbitmq.start()
    server.start()
    assert Api(cloud.url).status("/healthz") == 200
    eventually(
        lambda: "db upgrade" in roles["collector"].log.read_text(), "the collector asks for the schema"
    )
    run(cloud.folder, cloud.settings, "db", "upgrade", "--wait", "30")
    heals(cloud, metrics_port, "after the start")

    server.kill()
    eventually(lambda: Api(cloud.url).status("/readyz") == 503, "the API says the database is away")
    server.start()
    heals(cloud, metrics_port, "after the database was killed")

    time.sleep(OLD_ENOUGH_S)
    rabbitmq.kill()
    eventually(lambda: Api(cloud.url).status("/readyz") == 503, "the API says the broker is away")
    rabbitmq.start()
    heals(cloud, metrics_port, "after the broker was killed")

    assert all(role.runs for role in roles.values())
    assert {name: repeated for name, role in roles.items() if (repeated := waits_again(role))} == {}
    assert any("waiting_for_database" in role.log.read_text() for role in roles.values())
    server.stop()
    rabbitmq.stop()
    for name, role in roles.items():
        code, seconds = role.stop()
        assert (name, code, seconds < 10) == (name, 0, True)


def extra(role: str, metrics_port: int) -> dict[str, str]:
    """The agent shows its counts."""
    return {"metrics__port": str(metrics_port)} if role == "agent" else {}


def heals(cloud: Cloud, metrics_port: int, when: str) -> None:
    """Everything is well again, and every sample the agent took is stored, once."""
    eventually(lambda: Api(cloud.url).status("/readyz") == 200, f"ready {when}")
    eventually(lambda: polled(metrics_port) == len(cloud.stored()), f"every polled sample stored once {when}")


def waits_again(role: Program) -> list[tuple[str, str]]:
    """What a role said twice in succession: which part of it waits for the database, and why."""
    lines = [json.loads(line) for line in role.log.read_text().splitlines() if "waiting_for_database" in line]
    said: dict[str, list[str]] = {}
    for line in lines:
        said.setdefault(line["part"], []).append(line["reason"])
    pairs = ((part, *pair) for part, reasons in said.items() for pair in pairwise(reasons))
    return [(part, reason) for part, before, reason in pairs if reason == before]
