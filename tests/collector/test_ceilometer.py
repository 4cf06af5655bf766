import pytest

from collector.signature import sign
from storage.sample import Sample
from tests.collector.factories import NOW, StubPublisher, message, notification, pipeline, polled, polling

SECRET = "labsecret"


def signed(secret: str = SECRET, **fields: object) -> dict[str, object]:
    sample = polled(**fields)
    return {**sample, "message_signature": sign(sample, secret)}


def test_polled_samples_are_taken_as_they_are() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(polling(polled()))])

    assert publisher.samples == [
        Sample(
            "disk.device.usage",
            "gauge",
            "B",
            1024,
            "vm-1-vda",
            "project-1",
            NOW.replace(hour=11, minute=59, microsecond=1),
            user_id="user-1",
            metadata={"name": "web"},
        )
    ]


@pytest.mark.parametrize("event_type", ["metering", "metering.cpu"])
def test_what_ceilometers_notifier_publishes_is_taken_too(event_type: str) -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(notification(event_type=event_type, payload=[polled()]))])

    assert len(publisher.samples) == 1


def test_a_delta_sample_is_known_by_its_own_message_id_whatever_carries_it() -> None:
    publisher, delta = StubPublisher(), polled(counter_type="delta")

    pipeline(publisher).process(
        [message(polling(delta)), message(notification(event_type="metering", payload=[polled(), delta]))]
    )

    ids = [sample.id for sample in publisher.samples if sample.type == "delta"]
    assert ids[0] == ids[1]


def test_the_signature_is_the_one_ceilometer_computes() -> None:
    # Computed by hand after ceilometer/publisher/utils.py: names and values sorted, nested names joined by `:`,
    # text in lists as byte strings.
    sample = {"b": 1.5, "a": {"y": None, "x": ["é", 2]}, "message_signature": "ignored"}
    text = "a:x" + str(["é".encode(), 2]) + "a:yNone" + "b1.5"

    import hashlib
    import hmac

    assert sign(sample, SECRET) == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "sample",
    [
        polled(),
        signed("old key"),
        {**signed(), "project_id": "somebody-else"},
        {**signed(), "message_signature": None},
        {**signed(), "message_signature": "\ud800"},
    ],
    ids=["absent", "old key", "other project", "null", "not text"],
)
def test_with_a_secret_what_is_not_signed_with_it_is_quarantined(sample: dict[str, object]) -> None:
    publisher = StubPublisher()

    pipeline(publisher, telemetry_secret=SECRET).process(
        [message(polling(sample, signed(resource_id="other")))]
    )

    assert [kept.resource_id for kept in publisher.samples] == ["other"]
    assert [refused.reason for refused in publisher.refused] == ["unsigned"]
