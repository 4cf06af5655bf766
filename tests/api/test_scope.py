"""No caller sees anything of another project: every GET route of the OpenAPI document, every filter, every role."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.auth import Identity
from api.errors import Forbidden
from api.scope import scope
from storage.event import Event, Trait
from storage.query import EVERYTHING, Scope
from storage.sample import Sample
from tests.api.world import World, conditions, empty_database
from tests.factories import NOW, sample

# Whatever belongs to project B carries this text, so that one search finds every leak.
MARK = "belongs-to-b"
OWN = "belongs-to-a"

FIELDS = {
    "project_id": ("project-b", "project-a", "project-b ", "PROJECT-B", "%", "", "None"),
    "project": ("project-b",),
    "resource_id": (f"r-{MARK}", "shared", "shared/", "%"),
    "resource": (f"r-{MARK}",),
    "user_id": (f"u-{MARK}",),
    "user": (f"u-{MARK}", "%"),
    "source": (f"s-{MARK}", "openstack"),
    "meter": (f"m-{MARK}", "m"),
    "metadata.project_id": ("project-b", "project-a"),
    "metadata.mark": (MARK,),
    "resource_metadata.mark": (MARK,),
    "Project_ID": ("project-b",),
    "ｐroject_id": ("project-b",),
    "all_projects": ("true",),
}
EXTRAS = (
    "",
    "groupby=project_id",
    "groupby=resource_id&groupby=user_id&groupby=source&groupby=resource_metadata.instance_type",
    "aggregate.func=cardinality&aggregate.param=project_id",
    "period=60",
    "unique=True",
    "meter_links=1",
    "limit=10000",
    "all_projects=true",
    "all_projects=",
    "project_id=project-b",
    "tenant_id=project-b",
    "scope=everything",
    "fields=project_id",
)
READERS = ("reader-a", "member-a")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Projects A and B with a resource each, and one id that both use; only nobody's node belongs to none."""
    folder: Path = tmp_path_factory.mktemp("scope")
    database = empty_database(folder)
    world = World(database)
    world.keep(
        [
            _of("a", OWN, "m", f"r-{OWN}"),
            _of("a", OWN, "m", "shared"),
            _of("b", MARK, "m", f"r-{MARK}"),
            _of("b", MARK, "m", "shared", volume=7777.0),
            _of("b", MARK, f"m-{MARK}", f"r-{MARK}"),
            sample(meter="m", project_id=None, resource_id=f"node-{MARK}", user_id=None, metadata={}),
        ]
    )
    world.events.store(
        [
            Event(f"r-{MARK}", "p", "t", NOW, (Trait("mark", "text", MARK),), "project-b", "user-r"),
            Event("shared", "p", "t", NOW, (Trait("mark", "text", MARK),), "project-a", "somebody else"),
        ],
        received_at=NOW,
    )
    yield world
    database.dispose()


def _of(project: str, mark: str, meter: str, resource_id: str, volume: float = 1.0) -> Sample:
    return sample(
        meter=meter, type="gauge", unit="x", volume=volume, project_id=f"project-{project}",
        resource_id=resource_id, user_id=f"u-{mark}", source=f"s-{mark}",
        metadata={"mark": mark, "instance_type": mark, "project_id": f"project-{project}"},
    )  # fmt: skip


def paths(world: World) -> list[str]:
    """Every GET path of /v2 and /v3, its parameter filled with ids of project B."""
    (theirs,) = {one["id"] for one in world.client("member-b").get("/v2/samples?limit=1").json()}
    filled: list[str] = []
    for template, operations in world.app.openapi()["paths"].items():
        if template.startswith(("/v2/", "/v3/")) and "get" in operations:
            for value in (f"r-{MARK}", "shared", f"m-{MARK}", "m", theirs):
                filled.append(_filled(template, value))
    return sorted(set(filled))


def _filled(template: str, value: str) -> str:
    head, brace, tail = template.partition("{")
    return head + value + tail.partition("}")[2] if brace else template


def leaks(text: str) -> bool:
    """Whether an answer tells anything of project B."""
    return MARK in text or "7777" in text or '"project-b"' in text


def test_the_matrix_reaches_the_routes_it_is_meant_for(world: World) -> None:
    found = paths(world)

    assert {
        "/v2/meters",
        "/v2/samples",
        "/v2/resources",
        f"/v2/resources/r-{MARK}",
        f"/v2/meters/m-{MARK}/statistics",
    } <= set(found)
    seen = [world.client("member-b").get(path).text for path in found]
    assert sum(leaks(text) for text in seen) >= 8


@pytest.mark.parametrize("token", READERS)
def test_no_filter_shows_rows_of_another_project(world: World, token: str) -> None:
    own = ("project_id", "eq", "project-a")
    asked = [(field, "eq", value) for field, values in FIELDS.items() for value in values]

    with world.client(token, **{"X-Project-Id": "project-b", "X-Roles": "admin"}) as client:
        for path in paths(world):
            for condition in asked:
                for params in (conditions(condition), conditions(own, condition)):
                    check(client.get(path, params=params))


@pytest.mark.parametrize("token", READERS)
def test_no_other_parameter_shows_rows_of_another_project(world: World, token: str) -> None:
    with world.client(token) as client:
        for path in paths(world):
            for extra in EXTRAS:
                check(client.get(f"{path}?{extra}"))


def check(answer: Any) -> None:  # Any: a response
    assert answer.status_code in {200, 400, 401, 403, 404}, answer.url
    assert answer.status_code != 200 or not leaks(answer.text), answer.url


@pytest.mark.parametrize("project", ["project-b", "project-that-never-was"])
def test_asking_for_another_project_is_401_whether_it_exists_or_not(world: World, project: str) -> None:
    for path in ("/v2/meters", "/v2/samples", "/v2/resources", "/v2/meters/m", "/v2/meters/m/statistics"):
        answer = world.client("member-a").get(path, params=conditions(("project_id", "eq", project)))

        assert answer.status_code == 401
        assert answer.json()["error_message"]["faultstring"] == f"Not Authorized to access project {project}"


@pytest.mark.parametrize(
    ("theirs", "nobodys"),
    [
        (f"/v2/resources/r-{MARK}", "/v2/resources/r-nothing-here"),
        (f"/v2/meters/m-{MARK}", "/v2/meters/m-nothing-here"),
        (f"/v2/meters/m-{MARK}/statistics", "/v2/meters/m-nothing-here/statistics"),
    ],
)
def test_what_another_project_has_looks_like_what_does_not_exist(
    world: World, theirs: str, nobodys: str
) -> None:
    client = world.client("member-a")

    hidden, absent = client.get(theirs), client.get(nobodys)

    assert hidden.status_code == absent.status_code
    assert hidden.text.replace(MARK, "nothing-here") == absent.text
    assert set(hidden.headers) == set(absent.headers)


def test_another_projects_sample_looks_like_none(world: World) -> None:
    (theirs, *_) = world.client("member-b").get("/v2/samples").json()

    assert world.client("member-b").get(f"/v2/samples/{theirs['id']}").status_code == 200
    assert world.client("member-a").get(f"/v2/samples/{theirs['id']}").status_code == 404


def test_a_shared_id_is_two_resources(world: World) -> None:
    (own,) = world.client("member-a").get("/v2/meters/m/statistics?q.field=resource_id&q.value=shared").json()

    assert (own["count"], own["sum"]) == (1, 1.0)


def test_an_administrator_sees_every_project_and_what_belongs_to_none(world: World) -> None:
    found = world.client("admin").get("/v2/resources").json()

    assert {resource["project_id"] for resource in found} == {"project-a", "project-b", None}


def test_scopes_are_made_from_identities_alone() -> None:
    assert scope(Identity("u", "p", frozenset({"member"}))) == Scope(project_id="p")
    assert scope(Identity("u", "p", frozenset({"admin"}))) == EVERYTHING
    for project_id in (None, ""):
        with pytest.raises(Forbidden):
            scope(Identity("u", project_id, frozenset({"member", "service"})))
