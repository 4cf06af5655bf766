"""What Gnocchi is told of resources; how it answers was seen with Gnocchi 4.7.1."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from collector.errors import InvalidPublisher, PublisherUnavailable
from collector.publishers.publisher import Publisher
from collector.publishers.urls import Around, publisher_of
from collector.settings import BusSettings
from storage.event import Trait
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES
from tests.collector.publishers.openstack_services import GnocchiReceiver
from tests.collector.publishers.receivers import Web
from tests.collector.publishers.stubs import EVENT
from tests.factories import MINUTE, NOW, sample
from tests.web import Reply

AROUND = Around(BusSettings())
DISK = sample(
    meter="disk.device.read.bytes",
    resource_id="instance-1-vda",
    metadata={"disk_name": "vda", "instance_id": "instance-1"},
)
DELETED = replace(
    EVENT,
    event_type="compute.instance.delete.end",
    generated=NOW + MINUTE,
    traits=(Trait("instance_id", "text", "instance-1"),),
)


@pytest.fixture
def gnocchi() -> Iterator[GnocchiReceiver]:
    receiver = GnocchiReceiver()
    receiver.start()
    yield receiver
    receiver.kill()


@pytest.fixture
def publisher(gnocchi: GnocchiReceiver) -> Iterator[Publisher]:
    made = publisher_of(gnocchi.url, AROUND)
    yield made
    made.close()


def test_resources_get_their_type_owner_and_attributes(
    gnocchi: GnocchiReceiver, publisher: Publisher
) -> None:
    publisher.publish(arrange([sample(), DISK]), ())

    instance, disk = gnocchi.resources["instance-1"], gnocchi.resources["instance-1-vda"]
    assert (instance["type"], instance["project_id"], instance["user_id"]) == (
        "instance",
        "project-a",
        "user-1",
    )
    assert (instance["display_name"], instance["flavor_name"]) == ("web", "m1.small")
    assert (disk["type"], disk["name"], disk["instance_id"]) == ("instance_disk", "vda", "instance-1")


def test_counters_get_a_policy_with_rates(gnocchi: GnocchiReceiver, publisher: Publisher) -> None:
    publisher.publish(arrange([sample(), sample(meter="memory", type="gauge", unit="MiB"), DISK]), ())

    assert gnocchi.policy_of == {
        ("instance-1", "cpu"): "ceilometer-low-rate",
        ("instance-1", "memory"): "ceilometer-low",
        ("instance-1-vda", "disk.device.read.bytes"): "ceilometer-low-rate",
    }


def test_no_meter_is_left_out_and_no_id_refused(gnocchi: GnocchiReceiver, publisher: Publisher) -> None:
    publisher.publish(arrange([sample(meter="our.own", resource_id="a/b")]), ())

    assert gnocchi.resources["a_b"]["type"] == "generic"
    assert len(gnocchi.measures) == 1


def test_attributes_follow_the_metadata_and_are_sent_only_when_they_change(
    gnocchi: GnocchiReceiver, publisher: Publisher
) -> None:
    for name in ("web", "web", "renamed", "renamed"):
        publisher.publish(arrange([sample(metadata={"display_name": name})]), ())

    patches = [request for request in gnocchi.requests if request.method == "PATCH"]
    assert len(patches) == 1
    assert gnocchi.resources["instance-1"]["display_name"] == "renamed"


def test_a_deletion_ends_the_resource_and_what_belongs_to_it(
    gnocchi: GnocchiReceiver, publisher: Publisher
) -> None:
    publisher.publish(arrange([sample(), DISK, sample(resource_id="instance-2")]), ())

    publisher.publish(NO_SAMPLES, [DELETED, EVENT])

    ended = {key: one["ended_at"] for key, one in gnocchi.resources.items()}
    assert ended == {
        "instance-1": (NOW + MINUTE).isoformat(),
        "instance-1-vda": (NOW + MINUTE).isoformat(),
        "instance-2": None,
    }


def test_a_deletion_of_what_is_unknown_or_began_later_harms_nothing(
    gnocchi: GnocchiReceiver, publisher: Publisher
) -> None:
    publisher.publish(NO_SAMPLES, [DELETED])
    publisher.publish(arrange([sample(timestamp=NOW + 2 * MINUTE)]), ())

    publisher.publish(NO_SAMPLES, [DELETED])

    assert gnocchi.resources["instance-1"]["ended_at"] > (NOW + MINUTE).isoformat()


def test_an_archive_policy_nobody_made_is_no_reason_to_give_up(gnocchi: GnocchiReceiver) -> None:
    publisher = publisher_of(f"{gnocchi.url}?archive_policy=billing", AROUND)

    with pytest.raises(PublisherUnavailable, match="billing does not exist"):
        publisher.publish(arrange([sample()]), ())
    gnocchi.policies["billing"] = {}
    publisher.publish(arrange([sample()]), ())
    publisher.close()

    assert set(gnocchi.policy_of.values()) == {"billing"}


def test_a_definition_file_of_ceilometers_form_is_read(gnocchi: GnocchiReceiver, tmp_path: Path) -> None:
    file = tmp_path / "gnocchi_resources.yaml"
    file.write_text(
        "archive_policy_default: high\n"
        "archive_policies: [{name: high, definition: [{granularity: 1 minute, timespan: 1 day}]}]\n"
        "resources:\n"
        "  - resource_type: server\n"
        "    metrics: [cpu]\n"
        "    attributes: {size: resource_metadata.(flavor_id|(flavor.vcpus)|instance_type)}\n"
    )
    publisher = publisher_of(f"{gnocchi.url}?resources_definition_file={file}", AROUND)

    publisher.publish(arrange([sample(), sample(meter="memory")]), ())
    publisher.close()

    assert gnocchi.policy_of == {("instance-1", "cpu"): "high"}
    assert gnocchi.resources["instance-1"]["size"] == "2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: 5", "a list `resources` is missing"),
        ("resources: [{metrics: [cpu]}]", "entry 1 of resources: resource_type is missing"),
        (
            "resources: [{resource_type: a, metrics: [b], attributes: {c: d}}]",
            "must begin with resource_metadata",
        ),
        ("resources: [{resource_type: a, metrics: [b], event_delete: c}]", "which trait is the id"),
    ],
)
def test_a_wrong_definition_file_is_named_with_its_entry(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)

    with pytest.raises(InvalidPublisher, match=said):
        publisher_of(f"gnocchi://host?resources_definition_file={file}", AROUND)


def test_without_a_host_keystone_is_asked_and_without_one_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(PublisherUnavailable, match=r"no token .*OS_CLOUD"):
        publisher_of("gnocchi://?archive_policy=low&cloud=nobodys", AROUND).publish(arrange([sample()]), ())


class Session:
    """Stands in for keystoneauth's: knows where the service is, and two tokens, the first of which has run out."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint, self._tokens = endpoint, ["old", "new"]

    def get_endpoint(self, service_type: str) -> str | None:
        return self._endpoint if service_type == "messaging" else None

    def get_auth_headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self._tokens[0]}

    def invalidate(self) -> None:
        self._tokens.pop(0)


def test_a_token_that_ran_out_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Web(lambda request: Reply(201 if request.headers["x-auth-token"] == "new" else 401))
    server.start()
    connection = SimpleNamespace(session=Session(f"http://127.0.0.1:{server.port}/base/"))
    monkeypatch.setattr("openstack.connect", lambda cloud: connection)
    publisher = publisher_of("zaqar://?queue=usage&cloud=mine", AROUND)

    publisher.publish(arrange([sample()]), ())
    publisher.close()
    server.kill()

    assert [request.path for request in server.requests] == ["/base/v2/queues/usage/messages"]


def test_a_service_the_catalog_does_not_have_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openstack.connect", lambda cloud: SimpleNamespace(session=Session("http://x")))

    with pytest.raises(PublisherUnavailable, match="catalog has no service metric"):
        publisher_of("gnocchi://?cloud=mine", AROUND).publish(arrange([sample()]), ())
