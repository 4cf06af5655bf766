"""What notifications tell of the lives of resources."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from collector.envelope import Notification, decode_notification
from storage.lifecycle import Segment, chain
from tests.collector.lives import MAPPING, NOW, RECORDED, facts, notification

SERVER = {
    "instance_id": "vm-1",
    "tenant_id": "p-1",
    "display_name": "web",
    "instance_type": "m1.small",
    "memory_mb": 2048,
    "vcpus": 1,
    "root_gb": 20,
    "ephemeral_gb": 0,
    "availability_zone": "nova",
    "state": "active",
    "created_at": "2024-11-22 10:00:00+00:00",
    "launched_at": "",
    "terminated_at": "",
    "deleted_at": "",
}


def server(event_type: str, time: str, **changes: object) -> Notification:
    return notification(f"compute.instance.{event_type}", SERVER | changes, time)


def short(segments: tuple[Segment, ...]) -> list[tuple[object, ...]]:
    return [
        (
            f"{one.start:%H:%M:%S}",
            f"{one.end:%H:%M:%S}" if one.end else None,
            one.attributes.type,
            one.attributes.status,
        )
        for one in segments
    ]


HISTORY = [
    server("create.start", "10:00:01", state="building"),
    server("create.end", "10:00:31", launched_at="2024-11-22T10:00:30.000000"),
    server("resize.start", "12:00:00"),
    server("finish_resize.end", "12:05:00", instance_type="m1.large", vcpus=4, state="resized"),
    server("exists", "13:00:00", instance_type="m1.large", vcpus=4, state="active"),
    server(
        "delete.end",
        "14:00:02",
        instance_type="m1.large",
        vcpus=4,
        state="deleted",
        terminated_at="2024-11-22T14:00:00.000000",
    ),
]


def test_the_life_of_a_server_is_told_by_its_notifications() -> None:
    assert short(chain(facts(*HISTORY))) == [
        ("10:00:00", "10:00:30", "m1.small", "building"),
        ("10:00:30", "12:05:00", "m1.small", "active"),
        ("12:05:00", "13:00:00", "m1.large", "resized"),
        ("13:00:00", "14:00:00", "m1.large", "active"),
    ]


def test_every_order_of_the_notifications_gives_the_same_chain() -> None:
    made = [MAPPING.facts(one, NOW) for one in HISTORY]

    found = {chain([fact for one in order for fact in one]) for order in permutations(made)}

    assert len(found) == 1


def test_an_audit_alone_tells_when_a_server_began_and_what_it_is() -> None:
    assert short(chain(facts(HISTORY[4]))) == [("10:00:00", None, "m1.large", "active")]


def test_an_audit_of_a_deleted_server_tells_when_it_ended_and_not_a_status_it_never_had() -> None:
    audit = server("exists", "15:00:00", state="deleted", deleted_at="2024-11-22T14:00:00.000000")

    assert short(chain(facts(audit))) == [("10:00:00", "14:00:00", "m1.small", None)]


def test_both_formats_of_nova_tell_the_same_life() -> None:
    flavor = {"flavor": {"nova_object.data": {"name": "m1.small", "flavorid": "f-1", "vcpus": 1}}}
    data = {"uuid": "vm-1", "tenant_id": "p-1", "created_at": "2024-11-22T10:00:00Z", "state": "active"}
    versioned = notification("instance.exists", {"nova_object.data": data | flavor}, "13:00:00")

    (found,) = chain(facts(versioned))

    assert (found.kind, found.resource_id, found.attributes.type) == ("instance", "vm-1", "m1.small")
    assert dict(found.attributes.more) == {"flavor_id": "f-1", "vcpus": 1}
    assert facts(versioned)[1] == facts(HISTORY[0])[1]  # when it began


def test_a_failure_may_say_what_a_resource_is_like_but_ends_nothing() -> None:
    failed = replace(server("delete.end", "13:00:00", state="error"), priority="error")

    assert short(chain(facts(HISTORY[0], failed)))[-1][1:] == (None, "m1.small", "error")


@pytest.mark.parametrize(
    "payload", ["text", None, [], {}, {"instance_id": 7}, {"instance_id": "x" * 256}, {"instance_id": ""}]
)
def test_what_names_no_resource_tells_nothing(payload: object) -> None:
    assert facts(notification("compute.instance.update", payload, "10:00:00")) == []


def test_what_is_strange_costs_only_itself() -> None:
    strange = server(
        "update",
        "10:00:00",
        display_name="n\0" + "x" * 300,
        instance_type=["m1"],
        vcpus=float("nan"),
        created_at="yesterday",
        terminated_at="2999-01-01T00:00:00",
    )

    (fact,) = facts(strange)

    assert fact.attributes.type is None
    assert fact.attributes.name == "n�" + "x" * 253
    assert dict(fact.attributes.more)["memory_mb"] == 2048


def test_a_transferred_volume_changes_its_project() -> None:
    volume = {"volume_id": "v-1", "tenant_id": "p-1", "size": 10, "created_at": "2024-11-22T10:00:00"}
    told = [
        notification("volume.create.start", volume, "10:00:01"),
        notification("volume.resize.end", volume | {"size": 20}, "11:00:00"),
        notification("volume.transfer.accept.end", volume | {"size": 20, "tenant_id": "p-2"}, "12:00:00"),
        notification("volume.delete.end", volume | {"size": 20, "tenant_id": "p-2"}, "13:00:00"),
    ]
    random.Random(3).shuffle(told)

    found = chain(facts(*told))

    assert [(one.start.hour, one.attributes.project_id, one.attributes.size) for one in found] == [
        (10, "p-1", 10),
        (11, "p-1", 20),
        (12, "p-2", 20),
    ]
    assert found[-1].end == datetime(2024, 11, 22, 13, tzinfo=UTC)


def test_an_audit_of_a_deleted_volume_ends_it_unless_its_delete_was_heard() -> None:
    volume = {"volume_id": "v-1", "tenant_id": "p-1", "size": 10, "created_at": "2024-11-22T10:00:00"}
    audited = volume | {"status": "deleted", "audit_period_ending": "2024-11-22 14:00:00"}
    told = [
        notification("volume.create.end", volume | {"status": "available"}, "10:00:01"),
        notification("volume.exists", audited, "14:00:07"),
    ]
    deleted = notification("volume.delete.end", volume, "13:30:00")

    (found,) = chain(facts(*told))
    (better,) = chain(facts(*told, deleted))

    assert (found.end, found.attributes.status) == (datetime(2024, 11, 22, 14, tzinfo=UTC), "available")
    assert better.end == datetime(2024, 11, 22, 13, 30, tzinfo=UTC)


def test_networks_created_together_have_a_life_each() -> None:
    folder = RECORDED / "neutron"
    told = decode_notification((folder / "network.create.end.bulk.json").read_bytes())

    made = MAPPING.facts(told, NOW)

    networks = json.loads((folder / "network.create.end.bulk.json").read_text())["payload"]["networks"]
    assert {fact.resource_id for fact in made} == {network["id"] for network in networks}
    assert len({fact.id for fact in made}) == len(made)


def test_an_address_deleted_by_an_old_release_ends_by_its_id() -> None:
    address = {"id": "ip-1", "project_id": "p-1", "floating_ip_address": "192.0.2.7", "status": "ACTIVE"}
    told = [
        notification("floatingip.create.end", {"floatingip": address}, "10:00:00"),
        notification("floatingip.delete.end", {"floatingip_id": "ip-1"}, "11:00:00"),
    ]

    (found,) = chain(facts(*told))

    assert found.end == found.start + timedelta(hours=1)
    assert (found.attributes.name, found.attributes.project_id) == ("192.0.2.7", "p-1")


def test_requests_that_name_no_id_yet_tell_nothing() -> None:
    told = decode_notification((RECORDED / "neutron" / "network.create.start.json").read_bytes())

    assert MAPPING.facts(told, NOW) == []
