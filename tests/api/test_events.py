"""/v2/events and /v2/event_types, as Panko answered them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.auth import Identity
from api.errors import Forbidden
from api.settings import AuthSettings
from api.v2.event_conditions import event_scope
from storage.event import Event, Trait
from storage.event_query import EVERY_EVENT
from tests.api.world import Params, World, conditions, empty_database, fault
from tests.factories import NOW

MINUTE = timedelta(minutes=1)
INSTANCE = "0b6f9b1e-8f3e-4f0a-9d59-95b5d2a6f0c1"


def event(
    name: str,
    minute: float,
    project: str | None,
    user: str | None,
    **changes: Any,  # Any: fields of one
) -> Event:
    """An event of a server's creation, with what every trait type looks like."""
    traits = [
        Trait("instance_id", "text", INSTANCE),
        Trait("launched_at", "datetime", NOW + minute * MINUTE),
        Trait("load", "float", minute),
        Trait("memory_mb", "integer", int(minute * 512)),
        *([Trait("project_id", "text", project)] if project else []),
        *([Trait("user_id", "text", user)] if user else []),
    ]
    made = Event(
        name, "compute.1", "compute.instance.create.end", NOW + minute * MINUTE, tuple(traits), project, user
    )
    return replace(made, **changes)


EVENTS = [
    event("m-2", 1, "project-a", "user-a"),
    event("m-1", 1, "project-a", "user-a", event_type="compute.instance.delete.end", raw={"a": [1]}),
    event("m-0", 2.5, "project-a", "user-r"),
    event("m-b", 3, "project-b", "user-b"),
    event("m-ab", 4, "project-b", "user-a"),
    event("m-none", 5, None, None, event_type="scheduler.start"),
    event("m-admin", 6, "project-admin", "root"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = empty_database(tmp_path_factory.mktemp("events"))
    world = World(database)
    world.events.store(EVENTS, received_at=NOW)
    yield world
    database.dispose()


ALL = ("all_tenants", "eq", "true")


def ids(
    client: TestClient, *asked: tuple[str, str, str] | tuple[str, str, str, str], **more: object
) -> list[str]:
    """The message ids of the events that are answered, in their order."""
    answer = client.get(
        "/v2/events", params=[*conditions(*asked), *((name, str(value)) for name, value in more.items())]
    )
    assert answer.status_code == 200, answer.text
    return [one["message_id"] for one in answer.json()]


def test_an_event_is_written_as_panko_wrote_it(world: World) -> None:
    (first, *_) = world.client("member-a").get("/v2/events").json()

    assert first == {
        "message_id": "m-1",
        "event_type": "compute.instance.delete.end",
        "generated": "2026-11-23T12:01:00",
        "traits": [
            {"name": "instance_id", "type": "string", "value": INSTANCE},
            {"name": "launched_at", "type": "datetime", "value": "2026-11-23T12:01:00"},
            {"name": "load", "type": "float", "value": "1"},
            {"name": "memory_mb", "type": "integer", "value": "512"},
            {"name": "project_id", "type": "string", "value": "project-a"},
            {"name": "user_id", "type": "string", "value": "user-a"},
        ],
        "raw": {"a": [1]},
    }


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        ("member-a", ["m-1", "m-2"]),
        ("reader-a", ["m-0"]),
        ("member-b", ["m-b"]),
        ("admin", ["m-none", "m-admin"]),
    ],
)
def test_who_sees_which_events_the_oldest_first(world: World, token: str, seen: list[str]) -> None:
    assert ids(world.client(token)) == seen


def test_an_administrator_sees_all_when_asked(world: World) -> None:
    admin = world.client("admin")

    assert ids(admin, ALL) == ["m-1", "m-2", "m-0", "m-b", "m-ab", "m-none", "m-admin"]
    assert ids(admin, ("all_tenants", "", "false")) == ["m-none", "m-admin"]


def test_without_authentication_everything_is_seen(world: World) -> None:
    open_world = World(world.database, auth=AuthSettings(mode="none"), url="http://127.0.0.1")

    assert len(ids(open_world.client(None))) == len(EVENTS)


@pytest.mark.parametrize("token", ["member-a", "reader-a"])
def test_nobody_else_sees_all(world: World, token: str) -> None:
    answer = world.client(token).get("/v2/events", params=conditions(ALL))

    assert answer.status_code == 403
    assert answer.headers["x-required-roles"] == "admin"


@pytest.mark.parametrize("role", ["member", "service"])
@pytest.mark.parametrize(("user", "project"), [(None, "p"), ("", "p"), ("u", None), ("u", "")])
def test_events_are_for_users_in_projects(role: str, user: str | None, project: str | None) -> None:
    with pytest.raises(Forbidden) as refused:
        event_scope(Identity(user, project, frozenset({role})))

    assert not refused.value.headers  # it is no role that is missing


def test_no_condition_shows_what_another_user_or_project_has(world: World) -> None:
    client = world.client("member-a", **{"X-Project-Id": "project-b", "X-Roles": "admin"})

    for name in ("project_id", "user_id", "tenant_id", "message_id", "instance_id", "event_type"):
        for value in ("project-b", "user-b", "user-r", "m-b", "m-0", INSTANCE, "%", "' OR '1'='1"):
            for op in ("eq", "ne", "lt", "ge"):
                answer = client.get("/v2/events", params=conditions((name, op, value)))
                assert answer.status_code in (200, 400)
                if answer.status_code == 200:
                    assert {one["message_id"] for one in answer.json()} <= {"m-1", "m-2"}


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        (("event_type", "eq", "scheduler.start"), ["m-none"]),
        (("event_type", "", "scheduler"), []),
        (("message_id", "eq", "m-b"), ["m-b"]),
        (("instance_id", "eq", INSTANCE), ["m-1", "m-2", "m-0", "m-b", "m-ab", "m-none", "m-admin"]),
        (("project_id", "ne", "project-a"), ["m-b", "m-ab", "m-admin"]),
        (("user_id", "gt", "user-a"), ["m-0", "m-b"]),
        (("user_id", "le", "user-a"), ["m-1", "m-2", "m-ab", "m-admin"]),
        (("memory_mb", "eq", "512", "integer"), ["m-1", "m-2"]),
        (("memory_mb", "eq", "512"), []),
        (("memory_mb", "ge", "2560", "integer"), ["m-none", "m-admin"]),
        (("load", "lt", "2.5", "float"), ["m-1", "m-2"]),
        (("launched_at", "gt", "2026-11-23T12:05:00", "datetime"), ["m-admin"]),
        (("start_timestamp", "eq", "2026-11-23T12:04:00"), ["m-ab", "m-none", "m-admin"]),
        (("end_timestamp", "", "2026-11-23T12:01:00"), ["m-1", "m-2"]),
        (("end_timestamp", "le", "2026-11-23T12:00:59"), []),
        (("nothing", "eq", "x"), []),
    ],
)
def test_conditions(world: World, condition: tuple[str, str, str], seen: list[str]) -> None:
    assert ids(world.client("admin"), ALL, condition) == seen


def test_conditions_that_exclude_each_other_find_nothing(world: World) -> None:
    both = [("event_type", "eq", "scheduler.start"), ("event_type", "eq", "compute.instance.create.end")]

    assert ids(world.client("admin"), ALL, *both) == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (conditions(("event_type", "ne", "x")), "Only eq are available for field event_type"),
        (conditions(("start_timestamp", "lt", "2026-11-23")), "Operator lt is not supported"),
        (conditions(("start_timestamp", "eq", "soon")), "invalid timestamp format"),
        (conditions(("memory_mb", "eq", "many", "integer")), "expected data type integer"),
        (conditions(("memory_mb", "eq", "1" * 30, "integer")), "expected data type integer"),
        (conditions(("load", "eq", "nan", "float")), "expected data type float"),
        (conditions(("a", "eq", "true", "boolean")), "The data type boolean is not supported"),
        (conditions(("a", "like", "b")), "Operator like is not supported"),
        ([("limit", "0")], "Limit must be positive"),
        ([("limit", "-1")], "Limit must be positive"),
        ([("limit", "99999999999999999999")], "Limit must not be larger than"),
        ([("limit", "x")], "unable to convert to int"),
        ([("sort", "traits:asc")], "sort key"),
        ([("sort", "generated:up")], "sort direction"),
        ([("marker", "m-b")], "There is no such event"),
        ([("offset", "1")], 'Unknown argument: "offset"'),
    ],
)
def test_what_cannot_be_asked_is_refused(world: World, parameters: Params, words: str) -> None:
    answer = world.client("member-a").get("/v2/events", params=parameters)

    assert answer.status_code == 400
    assert words in fault(answer)


def test_pages_by_marker_in_both_directions(world: World) -> None:
    admin = world.client("admin")
    every = ids(admin, ALL)

    assert ids(admin, ALL, limit=2) == every[:2]
    assert ids(admin, ALL, limit=3, marker=every[0]) == every[1:4]
    assert ids(admin, ALL, sort="generated:desc", limit=3) == ["m-admin", "m-none", "m-ab"]
    assert ids(admin, ALL, sort="generated:desc", marker="m-ab") == ["m-b", "m-0", "m-1", "m-2"]
    assert ids(admin, ALL, sort="message_id:desc", limit=2) == ["m-none", "m-b"]


def test_one_event_or_none(world: World) -> None:
    member, admin = world.client("member-a"), world.client("admin")

    assert member.get("/v2/events/m-1").json()["message_id"] == "m-1"
    assert admin.get("/v2/events/m-b").json()["message_id"] == "m-b"
    hidden, absent = member.get("/v2/events/m-b"), member.get("/v2/events/m-nothing")
    assert hidden.status_code == absent.status_code == 404
    assert fault(hidden).replace("m-b", "") == fault(absent).replace("m-nothing", "")


def test_types_and_traits(world: World) -> None:
    admin = world.client("admin")
    path = "/v2/event_types/scheduler.start"

    assert admin.get("/v2/event_types").json() == [
        "compute.instance.create.end",
        "compute.instance.delete.end",
        "scheduler.start",
    ]
    assert admin.get(path).status_code == 404
    assert admin.get(f"{path}/traits").json() == [
        {"name": "instance_id", "type": "string"},
        {"name": "launched_at", "type": "datetime"},
        {"name": "load", "type": "float"},
        {"name": "memory_mb", "type": "integer"},
    ]
    assert admin.get(f"{path}/traits/memory_mb").json() == [
        {"name": "memory_mb", "type": "integer", "value": "2560"}
    ]
    assert admin.get("/v2/event_types/nothing/traits").json() == []
    assert admin.get(f"{path}/traits/nothing").json() == []


@pytest.mark.parametrize(
    "path", ["", "/scheduler.start", "/scheduler.start/traits", "/scheduler.start/traits/load"]
)
@pytest.mark.parametrize("token", ["reader-a", "member-a", "service"])
def test_types_are_for_administrators(world: World, path: str, token: str) -> None:
    assert world.client(token).get(f"/v2/event_types{path}").status_code == 403


def test_capabilities_say_so(world: World) -> None:
    told = world.client("member-a").get("/v2/capabilities").json()

    assert told["api"]["events:query:simple"] is True
    assert told["event_storage"] == {"storage:production_ready": True}


def test_scope_of_an_administrator() -> None:
    assert event_scope(Identity("u", None, frozenset({"admin"}))) == EVERY_EVENT
