"""What real senders put on a real RabbitMQ is stored as the recorded notifications say."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from tests.collector.brokers import ask_swift, send_by_oslo, settings, storing, until
from tests.collector.corpus import RECORDED, expected, readable_event, readable_sample
from tests.collector.factories import StubPublisher

EVENTS = EventMapping(load_event_rules())
MADE_BY_THE_SENDER = {"timestamp", "id", "generated"}  # every message has an id and a time of its own


def test_every_recorded_notification_is_stored_alike_from_both_envelopes(
    url: str, keeper: StubPublisher
) -> None:
    with storing(settings(url), keeper, EVENTS):
        send_by_oslo(url, "openstack", "notifications", ["messaging", "messagingv2"], [*map(_told, RECORDED)])
        until(lambda: len(keeper.events) == 2 * len(RECORDED))

    stored = [*map(readable_sample, keeper.samples), *map(readable_event, keeper.events)]
    assert keeper.refused == []
    assert Counter(map(_comparable, stored)) == Counter(map(_comparable, 2 * _wanted()))


def test_requests_to_swift_are_metered_by_ceilometers_middleware(url: str, keeper: StubPublisher) -> None:
    headers = {"X-User-Id": "user-1", "X-Project-Id": "project-1", "X-Auth-Token": "do-not-keep"}
    path = "/v1/AUTH_project-1/photos/cat%20one.jpg"

    with storing(settings(url, exchanges=("swift",)), keeper, EVENTS):
        ask_swift(
            url,
            [
                {"method": "PUT", "path": path, "headers": headers, "sends": 70_000, "gets": 0},
                {"method": "GET", "path": path, "headers": headers, "sends": 0, "gets": 30_000},
                {"method": "GET", "path": "/healthcheck", "headers": {}, "sends": 0, "gets": 2},
            ],
        )
        until(lambda: len(keeper.events) == 2)

    assert [(sample.meter, sample.type, sample.unit, sample.volume) for sample in keeper.samples] == [
        ("storage.api.request", "delta", "request", 1),
        ("storage.objects.incoming.bytes", "delta", "B", 70_000),
        ("storage.api.request", "delta", "request", 1),
        ("storage.objects.outgoing.bytes", "delta", "B", 30_000),
    ]
    assert {(sample.resource_id, sample.project_id, sample.user_id) for sample in keeper.samples} == {
        ("project-1", "project-1", "user-1")
    }
    assert {sample.metadata["object"] for sample in keeper.samples} == {"cat%20one.jpg"}
    assert len({sample.id for sample in keeper.samples}) == 4
    assert [(event.event_type, event.project_id) for event in keeper.events] == [
        ("objectstore.http.request", "project-1")
    ] * 2
    assert "do-not-keep" not in repr((keeper.samples, keeper.events))


def _told(path: Path) -> dict[str, object]:
    """A recorded notification as its sender hands it to oslo.messaging."""
    told = json.loads(path.read_text())
    context = {key.removeprefix("_context_"): told[key] for key in told if key.startswith("_context_")}
    return {**told, "context": context}


def _wanted() -> list[object]:
    found = map(expected, RECORDED)
    return [one for each in found for one in (*each["samples"], each["event"])]


def _comparable(readable: object) -> str:
    assert isinstance(readable, Mapping)
    kept = {key: value for key, value in readable.items() if key not in MADE_BY_THE_SENDER}
    return json.dumps(kept, sort_keys=True)
