import pytest
from pydantic import SecretStr, ValidationError

from collector import topology
from collector.settings import BusSettings, CollectorSettings

URL = "amqp://user:hunter2@broker:5672/cloud"
OTHER = "amqps://user:hunter2@other/"


def test_passwords_of_brokers_show_up_nowhere() -> None:
    settings = BusSettings(url=SecretStr(URL), notification_urls=(SecretStr(OTHER),))

    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert topology.address(SecretStr(URL)) == "broker:5672/cloud"
    assert "hunter2" not in topology.address(SecretStr("amqp://user:hunter2@broker:port/"))


def test_a_url_of_another_protocol_is_refused() -> None:
    with pytest.raises(ValidationError, match="must begin with amqp://, amqps:// or rabbit://"):
        BusSettings(url=SecretStr("http://broker"))
    with pytest.raises(ValidationError, match="must begin with amqp://, amqps:// or rabbit://"):
        BusSettings(notification_urls=(SecretStr(URL), SecretStr("redis://broker")))


def test_without_a_broker_nothing_is_consumed() -> None:
    assert topology.feeds(BusSettings()) == []


def test_one_broker_gives_both_batches_and_notifications() -> None:
    (feed,) = topology.feeds(BusSettings(url=SecretStr(URL)))

    assert feed.origins == ("agent", "notifications")


def test_notification_brokers_take_the_place_of_the_agents_broker() -> None:
    settings = BusSettings(url=SecretStr(URL), notification_urls=(SecretStr(OTHER), SecretStr(URL)))

    assert [(feed.url.get_secret_value(), feed.origins) for feed in topology.feeds(settings)] == [
        (URL, ("agent", "notifications")),
        (OTHER, ("notifications",)),
    ]


def test_services_exchanges_are_created_as_oslo_messaging_creates_them() -> None:
    settings = BusSettings(url=SecretStr(URL), exchanges=("nova",))
    (feed,) = topology.feeds(settings)

    assert topology.exchanges(settings, feed)[2:] == [topology.Exchange("nova", "topic", durable=False)]
    assert topology.exchanges(settings.model_copy(update={"durable_exchanges": True}), feed)[2].durable


def test_our_queues_never_lose_a_message_to_a_limit() -> None:
    settings = BusSettings(url=SecretStr(URL))
    (feed,) = topology.feeds(settings)

    dead, *ours = topology.queues(settings, feed)

    assert dead.arguments == {"x-queue-type": "quorum"}
    for queue in ours:
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-dead-letter-exchange"] == "nephometer.dead"
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"


def test_a_batch_is_complete_while_two_are_in_work() -> None:
    settings = BusSettings(notification_prefetch=500, sample_prefetch=1)

    limits = topology.limits(settings, CollectorSettings())

    assert (limits["notifications"].deliveries, limits["agent"].deliveries) == (125, 1)


@pytest.mark.parametrize(
    "secrets", [("",), ("change this for valid signing",), ("short",), ("long enough to be one",) * 3]
)
def test_signing_secrets_that_protect_nothing_are_refused(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="signing_secrets"):
        BusSettings.model_validate({"signing_secrets": secrets})


def test_signatures_cannot_be_required_without_a_secret() -> None:
    with pytest.raises(ValidationError, match="openssl rand"):
        BusSettings(require_signatures=True)


@pytest.mark.parametrize("secret", ["", "change this for valid signing"])
def test_a_telemetry_secret_that_protects_nothing_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand"):
        CollectorSettings(telemetry_secret=SecretStr(secret))


def test_a_full_queue_refuses_agents_and_never_a_service() -> None:
    settings = BusSettings(url=SecretStr(URL), queue_max_length=5, queue_max_age="2d")
    (feed,) = topology.feeds(settings)

    dead, samples, notifications = topology.queues(settings, feed)

    overflows = [queue.arguments["x-overflow"] for queue in (dead, samples, notifications)]
    assert overflows == ["drop-head", "reject-publish", "drop-head"]
    assert {queue.arguments["x-max-length"] for queue in (dead, samples, notifications)} == {5}
    assert "x-message-ttl" not in dead.arguments
    assert samples.arguments["x-message-ttl"] == notifications.arguments["x-message-ttl"] == 172_800_000
    assert "x-dead-letter-strategy" not in notifications.arguments


def test_classic_queues_are_asked_for_without_what_only_quorum_queues_have() -> None:
    settings = BusSettings(url=SecretStr(URL), queue_type="classic")
    (feed,) = topology.feeds(settings)

    for queue in topology.queues(settings, feed):
        assert set(queue.arguments) <= {"x-queue-type", "x-dead-letter-exchange"}


def test_a_stream_takes_every_notification_and_no_batch() -> None:
    settings = BusSettings(url=SecretStr(URL), exchanges=("nova",), stream="archive", stream_max_age="3d")
    (feed,) = topology.feeds(settings)

    stream = topology.stream(settings, feed)

    assert stream is not None
    assert (stream.arguments["x-queue-type"], stream.arguments["x-max-age"]) == ("stream", "259200s")
    keys = {
        binding.routing_key for binding in topology.bindings(settings, feed) if binding.queue == "archive"
    }
    assert "notifications.info" in keys
    assert topology.SAMPLE_ROUTING_KEY not in keys
    assert topology.stream(settings, topology.Feed(SecretStr(URL), ("agent",))) is None


def test_our_queues_of_earlier_settings_are_looked_for_by_the_names_they_had() -> None:
    renamed = BusSettings(url=SecretStr(URL), notification_queue="mine")

    assert "nephometer.notifications" in topology.foreign_queues(renamed)
    assert "nephometer.notifications" not in topology.foreign_queues(BusSettings(url=SecretStr(URL)))
