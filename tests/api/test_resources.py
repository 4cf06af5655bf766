"""GET /v2/resources, /v2/resources/{id} and /v2/meters."""

import base64

import pytest

from tests.api.world import World, conditions, fault
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series


def test_a_resource_has_the_metadata_of_its_latest_sample_and_its_first_and_last_time(world: World) -> None:
    world.keep([*series(3), sample(timestamp=NOW + 5 * MINUTE, metadata={"display_name": "renamed"})])

    (resource,) = world.client().get("/v2/resources").json()

    assert resource == {
        "resource_id": "instance-1",
        "project_id": "project-a",
        "user_id": "user-1",
        "source": "openstack",
        "first_sample_timestamp": "2026-11-23T12:00:00",
        "last_sample_timestamp": "2026-11-23T12:05:00",
        "metadata": {"display_name": "renamed"},
        "links": [
            {"href": "http://testserver/v2/resources/instance-1", "rel": "self"},
            {
                "href": "http://testserver/v2/meters/cpu?q.field=resource_id&q.value=instance-1",
                "rel": "cpu",
            },
        ],
    }


@pytest.mark.parametrize(
    ("value", "rels"),
    [(None, ["self", "cpu", "cpu_util"]), ("1", ["self", "cpu", "cpu_util"]), ("0", ["self"])],
)
def test_links_to_meters_can_be_left_out(world: World, value: str | None, rels: list[str]) -> None:
    world.keep([CPU, CPU_UTIL])

    (resource,) = world.client().get("/v2/resources", params={"meter_links": value} if value else {}).json()

    assert [link["rel"] for link in resource["links"]] == rels


@pytest.mark.parametrize("resource_id", ["a/b", "a/b/", "/", "a?b", "a b", "ü😀", "a'--", "a+b&c"])
def test_a_resource_of_any_name_is_found_by_its_own_link(world: World, resource_id: str) -> None:
    world.keep([sample(resource_id=resource_id)])
    (listed,) = world.client().get("/v2/resources").json()

    shown = world.client().get(listed["links"][0]["href"])

    assert shown.json() == listed
    assert shown.json()["resource_id"] == resource_id


@pytest.mark.parametrize("resource_id", ["a/b", "a?b", "ü😀", "a+b&c"])
def test_the_link_to_a_meter_finds_exactly_the_samples_of_its_resource(
    world: World, resource_id: str
) -> None:
    world.keep([sample(resource_id=resource_id), sample(resource_id="other")])
    resource = (
        world.client().get("/v2/resources", params=conditions(("resource", "eq", resource_id))).json()[0]
    )

    found = world.client().get(resource["links"][1]["href"]).json()

    assert [one["resource_id"] for one in found] == [resource_id]


def test_an_unknown_resource_is_404(world: World) -> None:
    answer = world.client().get("/v2/resources/in%2Fvisible")

    assert (answer.status_code, fault(answer)) == (404, "Resource in/visible Not Found")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("resource_id", "eq", "instance-2"), ["instance-2"]),
        (("user", "eq", "user-1"), ["instance-2", "instance-1"]),
        (("metadata.display_name", "eq", "web"), ["instance-1"]),
        (("timestamp", "gt", "2026-11-23T12:00:00"), ["instance-2"]),
        (("source", "eq", "elsewhere"), []),
    ],
)
def test_conditions_choose_resources(world: World, condition: tuple[str, str, str], found: list[str]) -> None:
    world.keep([CPU, sample(resource_id="instance-2", timestamp=NOW + MINUTE, metadata={})])

    answer = world.client().get("/v2/resources", params=conditions(condition))

    assert [resource["resource_id"] for resource in answer.json()] == found


def test_meters_are_listed_for_each_resource(world: World) -> None:
    world.keep([CPU, CPU_UTIL, sample(resource_id="instance-2", user_id=None, project_id=None)])

    meters = world.client().get("/v2/meters").json()

    assert [(meter["resource_id"], meter["name"]) for meter in meters] == [
        ("instance-1", "cpu"), ("instance-1", "cpu_util"), ("instance-2", "cpu"),
    ]  # fmt: skip
    assert meters[1] == {
        "name": "cpu_util",
        "type": "gauge",
        "unit": "%",
        "resource_id": "instance-1",
        "project_id": "project-a",
        "user_id": "user-1",
        "source": "openstack",
        "meter_id": base64.b64encode(b"instance-1+cpu_util").decode(),
    }


@pytest.mark.parametrize(
    ("unique", "found"), [("True", 1), ("true", 1), ("1", 1), ("False", 2), ("no", 2), ("x", 2)]
)
def test_meters_can_be_listed_once_each(world: World, unique: str, found: int) -> None:
    world.keep([CPU, sample(resource_id="instance-2")])

    meters = world.client().get("/v2/meters", params={"unique": unique}).json()

    assert len(meters) == found
    assert (meters[0]["resource_id"] is None) == (found == 1)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("timestamp", "not valid for this resource"),
        ("search_offset", "not valid for this resource"),
        ("meter", "valid keys: ['project', 'resource', 'source', 'user']"),
        ("message_id", "valid keys: ['project', 'resource', 'source', 'user']"),
    ],
)
def test_meters_cannot_be_asked_for_by_what_only_samples_have(world: World, field: str, reason: str) -> None:
    answer = world.client().get("/v2/meters", params=conditions((field, "ge", "2026-11-23")))

    assert answer.status_code == 400
    assert reason in fault(answer)


def test_conditions_on_meters_look_at_the_latest_sample_of_the_resource(world: World) -> None:
    world.keep([CPU, sample(timestamp=NOW + MINUTE, metadata={"display_name": "renamed"})])

    def found(name: str) -> int:
        asked = conditions(("metadata.display_name", "eq", name))
        return len(world.client().get("/v2/meters", params=asked).json())

    assert (found("web"), found("renamed")) == (0, 1)
