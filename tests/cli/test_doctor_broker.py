from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from cli import doctor_broker
from cli.finding import Finding
from collector import bus
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import BrokerState
from tests.broker import RabbitMQ

SETTINGS = BusSettings(url=SecretStr("amqp://guest:secret@127.0.0.1:5672/cloud"))
WHOLE = BrokerState("127.0.0.1:5672/cloud", (), {"nephometer.samples": 12, "nephometer.dead": 0})


def examine(state: BrokerState) -> dict[str, Finding]:
    return {found.check: found for found in doctor_broker.examine(SETTINGS, lambda _settings: [state])}


def test_no_broker_is_a_way_to_work() -> None:
    def inspect(_settings: BusSettings) -> Sequence[BrokerState]:
        raise AssertionError("there is nothing to inspect")

    [finding] = doctor_broker.examine(BusSettings(), inspect)

    assert finding.level == "ok"


def test_a_whole_broker_is_ok() -> None:
    findings = doctor_broker.examine(SETTINGS, lambda _settings: [WHOLE])

    assert [found.level for found in findings] == ["ok"] * 4
    assert findings[2].message == "12 messages in nephometer.samples"


def test_a_broker_that_does_not_answer_is_a_problem_told_without_its_password() -> None:
    def inspect(_settings: BusSettings) -> Sequence[BrokerState]:
        raise BusUnavailable("connection refused")

    [finding] = doctor_broker.examine(SETTINGS, inspect)

    assert (finding.level, finding.message) == ("problem", "127.0.0.1:5672/cloud: connection refused")
    assert "bus.url" in finding.advice


def test_a_broker_no_collector_has_seen_is_a_warning() -> None:
    state = BrokerState("b", ("nephometer", "nova"), {})

    assert "start a collector" in examine(state)["exchanges"].advice


def test_absent_exchanges_of_services_are_named() -> None:
    state = BrokerState("b", ("nova", "cinder"), {})

    found = examine(state)["exchanges"]

    assert (found.level, found.message) == ("warning", "absent at b: nova, cinder")


@pytest.mark.parametrize(
    ("queue", "waiting", "level"),
    [
        ("nephometer.dead", 1, "warning"),
        ("nephometer.samples", 100_001, "warning"),
        ("nephometer.samples", 100_000, "ok"),
    ],
)
def test_what_waits_in_a_queue_is_judged(queue: str, waiting: int, level: str) -> None:
    assert examine(BrokerState("b", (), {queue: waiting}))["queue"].level == level


def test_a_real_fresh_broker_answers_and_lacks_our_exchange(rabbitmq: RabbitMQ) -> None:
    settings = BusSettings(url=SecretStr(rabbitmq.url), exchange="never-made", exchanges=("no-service",))

    findings = {found.check: found for found in doctor_broker.examine(settings, bus.inspect)}

    assert findings["broker"].level == "ok"
    assert findings["exchanges"].level == "warning"
