from datetime import timedelta
from pathlib import Path

import pytest

from storage.fact import NOTHING, Attributes, happened
from tests.api.world import World, empty_database
from tests.factories import CPU, NOW

HOUR = timedelta(hours=1)
OURS = Attributes("project-a", "m1.small", 10, "active", "nova", "web", (("vcpus", 1),))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(empty_database(tmp_path))
    for name in ("vm/1", "vm-2", "vm-3"):
        world.segments.store(
            [
                happened("instance", name, "begins", NOW, OURS, "1"),
                happened("instance", name, "is", NOW + HOUR, Attributes(project_id="project-b"), "2"),
                happened("instance", name, "ends", NOW + 2 * HOUR, NOTHING, "3"),
            ]
        )
    return world


def test_the_life_of_a_resource_is_its_segments(world: World) -> None:
    answer = world.client().get("/v3/resources/vm%2F1/segments")

    assert answer.status_code == 200
    assert answer.json()[0] == {
        "kind": "instance",
        "resource_id": "vm/1",
        "start": "2026-11-23T12:00:00Z",
        "end": "2026-11-23T13:00:00Z",
        "project_id": "project-a",
        "type": "m1.small",
        "size": 10,
        "status": "active",
        "zone": "nova",
        "name": "web",
        "attributes": {"vcpus": 1},
    }
    assert [one["project_id"] for one in answer.json()] == ["project-a", "project-b"]


def test_a_project_sees_only_what_was_its_own(world: World) -> None:
    for client, project in (("reader-a", "project-a"), ("member-b", "project-b")):
        for path in ("/v3/resources/vm-2/segments", "/v3/segments"):
            found = {one["project_id"] for one in world.client(client).get(path).json()}

            assert found == {project}


def test_a_resource_that_has_only_meters_has_no_segments(world: World) -> None:
    world.keep([CPU])
    path = f"/v3/resources/{CPU.resource_id}/segments"

    answer = world.client("reader-a").get(path)

    assert (answer.status_code, answer.json()) == (200, [])
    assert world.client("member-b").get(path).status_code == 404


def test_pages_are_linked(world: World) -> None:
    client, seen = world.client("reader-a"), []
    url: str | None = "/v3/segments?limit=1&kind=instance"
    while url is not None:
        answer = client.get(url)
        seen += [one["resource_id"] for one in answer.json()]
        url = answer.links["next"]["url"] if "next" in answer.links else None

    assert seen == ["vm-2", "vm-3", "vm/1"]


def test_a_time_can_be_asked_for(world: World) -> None:
    parameters = {"start": "2026-11-23T13:00:00Z", "end": "2026-11-23T14:00:00Z"}

    found = world.client().get("/v3/segments", params=parameters).json()

    assert [one["project_id"] for one in found] == ["project-b"] * 3


@pytest.mark.parametrize(
    ("path", "client", "status"),
    [
        ("/v3/resources/none/segments", "admin", 404),
        ("/v3/segments?start=2026-11-23T13:00:00", "admin", 400),
        ("/v3/segments?start=0001-01-01T00:00:00%2B14:00", "member-a", 400),
        ("/v3/segments?end=0001-01-01T00:00:00%2B00:01", "member-a", 400),
        ("/v3/segments?end=9999-12-31T23:59:59-00:01", "member-a", 400),
        ("/v3/segments?foo=1", "member-a", 400),
        ("/v3/resources/vm-2/segments?start=2026-11-23T13:00:00Z", "member-a", 400),
        ("/v3/retention?foo=1", "member-a", 400),
        ("/v3/segments?limit=0", "admin", 400),
        ("/v3/segments?limit=1001", "admin", 400),
        ("/v3/segments?project_id=project-b", "reader-a", 401),
        ("/v3/segments", "nobody", 401),
        ("/v3/segments", "service", 403),
    ],
)
def test_what_cannot_be_answered_is_a_problem(world: World, path: str, client: str, status: int) -> None:
    answer = world.client(client).get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_the_first_and_the_last_moment_can_be_asked_for(world: World) -> None:
    parameters = {"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}

    assert len(world.client("member-a").get("/v3/segments", params=parameters).json()) == 3
