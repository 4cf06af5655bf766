import pytest
from pydantic import SecretStr

from cli import doctor_broker
from cli.finding import Finding
from collector import bus
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import BrokerState, Depth, Feed
from tests.broker import RabbitMQ

SETTINGS = BusSettings(url=SecretStr("amqp://guest:secret@127.0.0.1:5672/cloud"))
WHOLE = BrokerState(
    "127.0.0.1:5672/cloud", (), {"nephometer.samples": Depth(12, 1), "nephometer.dead": Depth(0, 0)}
)


def examine(state: BrokerState) -> dict[str, Finding]:
    return {found.check: found for found in doctor_broker.examine(SETTINGS, lambda *_: state)}


def test_no_broker_is_a_way_to_work() -> None:
    def inspect(_settings: BusSettings, _feed: Feed) -> BrokerState:
        raise AssertionError("there is nothing to inspect")

    [finding] = doctor_broker.examine(BusSettings(), inspect)

    assert finding.level == "ok"


def test_a_whole_broker_is_ok() -> None:
    findings = doctor_broker.examine(SETTINGS, lambda *_: WHOLE)

    assert [found.level for found in findings] == ["ok"] * 4
    assert findings[2].message == "12 messages in nephometer.samples"


def test_a_broker_that_does_not_answer_is_a_problem_told_without_its_password() -> None:
    def inspect(_settings: BusSettings, _feed: Feed) -> BrokerState:
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
    ("queue", "depth", "level"),
    [
        ("nephometer.dead", Depth(0, 0), "ok"),
        ("nephometer.dead", Depth(1, 0), "warning"),
        ("nephometer.samples", Depth(100_001, 1), "warning"),
        ("nephometer.samples", Depth(100_000, 1), "ok"),
        ("nephometer.samples", Depth(1, 0), "warning"),
        ("nephometer.samples", Depth(0, 0), "ok"),
    ],
)
def test_what_waits_in_a_queue_is_judged(queue: str, depth: Depth, level: str) -> None:
    assert examine(BrokerState("b", (), {queue: depth}))["queue"].level == level


@pytest.mark.parametrize(
    ("queue", "depth", "level"),
    [
        ("notifications.info", Depth(10_001, 0), "warning"),
        ("notifications.info", Depth(10_000, 0), "ok"),
        ("event.sample", Depth(10_001, 0), "warning"),
        ("nephometer.samples", Depth(0, 0), "warning"),
    ],
)
def test_a_queue_nobody_reads_is_an_orphan_when_it_grew(queue: str, depth: Depth, level: str) -> None:
    found = examine(BrokerState("b", (), {}, others={queue: depth}))["queue"]

    assert found.level == level
    assert "nobody reads" in found.message
    assert (f"delete_queue {queue}" in found.advice) == (level == "warning")


def test_a_queue_somebody_reads_is_nobodys_concern() -> None:
    assert "queue" not in examine(BrokerState("b", (), {}, others={"notifications.info": Depth(10**6, 1)}))


def test_a_queue_that_differs_comes_with_what_to_do() -> None:
    found = examine(BrokerState("b", (), {}, differing={"nephometer.samples": "inequivalent arg"}))["queue"]

    assert (found.level, found.message) == ("warning", "inequivalent arg")
    assert "delete_queue nephometer.samples" in found.advice


def test_one_broker_that_is_away_hides_no_other() -> None:
    settings = BusSettings.model_validate({"notification_urls": ("amqp://one", "amqp://two")})

    def inspect(_settings: BusSettings, feed: Feed) -> BrokerState:
        if "one" in feed.url.get_secret_value():
            raise BusUnavailable("connection refused")
        return WHOLE

    levels = [found.level for found in doctor_broker.examine(settings, inspect) if found.check == "broker"]

    assert levels == ["problem", "ok"]


def test_an_unverified_broker_is_a_warning() -> None:
    settings = BusSettings(url=SecretStr("amqps://b"), tls_verify=False)

    finding = doctor_broker.examine(settings, lambda *_: WHOLE)[0]

    assert finding.level == "warning"


def test_a_real_fresh_broker_answers_and_lacks_our_exchange(rabbitmq: RabbitMQ) -> None:
    settings = BusSettings(url=SecretStr(rabbitmq.url), exchange="never-made", exchanges=("no-service",))

    findings = {found.check: found for found in doctor_broker.examine(settings, bus.inspect)}

    assert findings["broker"].level == "ok"
    assert findings["exchanges"].level == "warning"
