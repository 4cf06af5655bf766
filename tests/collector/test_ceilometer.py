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


# What compute_signature of Ceilometer 27.0 makes of these with the secret `labsecret`, after a way through JSON.
OF_A_SAMPLE = "884748a02dba45627c4c14ea1143355a403b273c12cd76b7dbf7f2f1019cf723"
OF_AN_EVENT = "883bc842e2bb9e55f970ae62aef407729c3d1dc6ff6fce7ebc300c3aa23ac2e3"


def test_the_signature_is_the_one_ceilometer_computes() -> None:
    interface = {"z": "ü", "a": [1, True, None], "m": {"y": "1", "x": 2.0}}
    sample = {
        "source": "openstack",
        "counter_name": "é",
        "counter_type": "gauge",
        "counter_unit": "B",
        "counter_volume": 1.5e-7,
        "user_id": None,
        "project_id": "p",
        "resource_id": "r",
        "timestamp": "2026-11-23T12:00:00",
        "resource_metadata": {"b": [interface, "text"], "a": {"d": {"c": 10**20}}, "a:b": "colon"},
        "message_id": "m",
        "monotonic_time": None,
        "message_signature": "ignored",
    }
    address = {"version": 4, "address": "10.0.0.1", "meta": {}}
    event = {
        "message_id": "m",
        "event_type": "compute.instance.create.end",
        "generated": "2026-11-23T12:00:00",
        "traits": [
            ["name", 1, "wéb"],
            ["memory_mb", 2, 512],
            ["load", 3, 0.5],
            ["at", 4, "2026-11-23T12:00:00"],
        ],
        "raw": {"payload": {"fixed_ips": [address]}},
    }

    assert sign(sample, "labsecret") == OF_A_SAMPLE
    assert sign(event, "labsecret") == OF_AN_EVENT


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
