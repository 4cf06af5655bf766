import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.api.alarms.bodies import create
from tests.api.world import World, fault, gauge
from tests.factories import MINUTE, NOW, sample

PATH = "/v2/query/samples"


def ask(
    client: TestClient, wanted: object = None, path: str = PATH, **body: object
) -> Any:  # Any: a response
    if wanted is not None:
        body["filter"] = json.dumps(wanted)
    return client.post(path, json=body)


@pytest.fixture
def kept(world: World) -> World:
    """Ten gauges of two resources of project A, and one of project B."""
    world.keep([gauge(number, number, resource_id=f"r-{number % 2}") for number in range(10)])
    world.keep([gauge(20, 7.0, project_id="project-b", resource_id="r-b")])
    return world


def volumes(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.text
    return [one["volume"] for one in answer.json()]


def test_without_a_filter_the_newest_samples_come_first(kept: World) -> None:
    assert volumes(ask(kept.client("member-a"), limit="3")) == [9.0, 8.0, 7.0]


def test_an_order_holds_over_all_of_them(kept: World) -> None:
    order = json.dumps([{"resource_id": "DESC"}, {"volume": "asc"}])

    assert volumes(ask(kept.client("member-a"), orderby=order, limit=7)) == [1, 3, 5, 7, 9, 0, 2]


@pytest.mark.parametrize("token", ["reader-a", "member-a"])
@pytest.mark.parametrize(
    "wanted",
    [
        {"=": {"project_id": "project-b"}},
        {"=": {"project": "project-that-never-was"}},
        {"!=": {"project_id": "project-b"}},
        {"not": {"=": {"project_id": "project-b"}}},
        {"or": [{"=": {"meter": "m"}}, {"not": {"in": {"project_id": ["project-a", "project-b"]}}}]},
        {"=~": {"project_id": ".*"}},
    ],
)
def test_no_filter_names_another_project(kept: World, token: str, wanted: object) -> None:
    answer = ask(kept.client(token), wanted)

    assert answer.status_code == 401
    assert fault(answer).startswith("Not Authorized to access project ")


@pytest.mark.parametrize(
    "wanted",
    [
        {"or": [{"=": {"resource_id": "r-b"}}, {"=": {"resource_id": "r-0"}}]},
        {"not": {"=": {"resource_id": "r-0"}}},
        {"=~": {"resource_id": ""}},
        {"=": {"metadata.project_id": "project-b"}},
        {"!=": {"resource_id": "x"}},
    ],
)
def test_no_filter_shows_another_project(kept: World, wanted: object) -> None:
    assert "project-b" not in ask(kept.client("member-a"), wanted).text


def test_who_has_no_role_to_read_may_not_ask(kept: World) -> None:
    assert ask(kept.client("service")).status_code == 403
    assert ask(kept.client(None)).status_code == 401


def nested(depth: int) -> object:
    wanted: object = {"=": {"meter": "m"}}
    for _ in range(depth):
        wanted = {"not": wanted}
    return wanted


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (nested(16), "nested more than 16 deep"),
        ({"in": {"meter": [str(number) for number in range(200)]}}, "more than 200"),
        ({"or": [{"=": {"meter": "m"}}] * 200}, "more than 200"),
        ({"=~": {"meter": "(a)\\1"}}, "bad escape"),
        ({"=~": {"volume": "1"}}, "a text in a text"),
        ({"=": {"volume": "many"}}, "could not convert"),
        ({"=": {"volume": 1e999}}, "beyond"),
        ({"=": {"resource_metadata": "{}"}}, "is not one of"),
        ({"=": {"enabled": True}}, "is not one of"),
        ({"in": {"meter": [True]}}, "in takes"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_reason(kept: World, wanted: object, reason: str) -> None:
    answer = ask(kept.client(), wanted)

    assert answer.status_code == 400
    assert fault(answer).startswith("Filter expression not valid: ")
    assert reason in fault(answer)


def test_fifteen_levels_are_not_too_many(kept: World) -> None:
    assert len(volumes(ask(kept.client(), nested(14)))) == 11


def test_much_is_refused_before_it_is_read(kept: World) -> None:
    deep = '{"not":' * 5000 + "{}" + "}" * 5000

    assert ask(kept.client(), filter="x" * 65536).status_code == 413
    assert ask(kept.client(), filter=deep).status_code == 400
    assert ask(kept.client(), filter="[" * 60000).status_code == 400


def test_catastrophic_patterns_are_harmless(kept: World) -> None:
    kept.keep([gauge(0, 1.0, resource_id="long", metadata={"name": "a" * 4000})])

    assert volumes(ask(kept.client(), {"=~": {"metadata.name": "(a+)+$"}})) == [1.0]
    assert volumes(ask(kept.client(), {"=~": {"metadata.name": "(a+)+b$"}})) == []


@pytest.fixture
def old_and_new(schema_url: str) -> Iterator[World]:
    """On every database: a sample an hour for two days, deltas among them."""
    database = Database(DatabaseSettings(url=schema_url))
    world = World(database)
    world.keep([gauge(-60 * hour, float(hour), metadata={"tags": ["x", hour]}) for hour in range(48)])
    world.keep(
        [
            sample(
                meter="d", type="delta", unit="B", volume=hour, timestamp=NOW - 60 * hour * MINUTE,
                id=bytes([hour + 1]) * 16, user_id=None,
            )
            for hour in range(5)
        ]
    )  # fmt: skip
    yield world
    database.dispose()


def test_the_same_is_found_on_every_database(old_and_new: World) -> None:
    client = old_and_new.client()
    late = {">": {"timestamp": (NOW - 90 * MINUTE).isoformat()}}

    assert volumes(ask(client, {"and": [{"=": {"meter": "m"}}, late]})) == [0.0, 1.0]
    assert volumes(ask(client, {">": {"volume": 45}})) == [46.0, 47.0]
    assert volumes(ask(client, {"in": {"volume": [47, 3.0]}})) == [3.0, 3.0, 47.0]
    assert volumes(ask(client, {"=": {"metadata.tags[1]": 30}})) == [30.0]
    assert volumes(ask(client, {"=": {"metadata.tags[1]": "30"}})) == []
    assert volumes(ask(client, {"=": {"type": "delta"}}, limit=2)) == [0.0, 1.0]
    assert volumes(ask(client, {"not": {"=": {"user_id": "user-1"}}})) == []
    (one,) = ask(client, {"=": {"volume": 40}}).json()
    assert [found["id"] for found in ask(client, {"=": {"message_id": one["id"]}}).json()] == [one["id"]]
    delta = ask(client, {"=": {"meter": "d"}}, limit=1).json()[0]
    assert ask(client, {"=": {"message_id": delta["id"]}}).json() == [delta]


def test_alarms_and_their_history_are_found(world: World) -> None:
    client, other = world.client("member-a"), world.client("member-b")
    made = [create(client, name=name) for name in ("one", "two")]
    create(other, name="theirs")

    found = ask(
        client, {"and": [{"=": {"state": "insufficient data"}}, {"=~": {"name": "^o"}}]}, "/v2/query/alarms"
    )
    ordered = ask(client, path="/v2/query/alarms", orderby=json.dumps([{"name": "desc"}]))
    enabled = ask(client, {"=": {"enabled": False}}, "/v2/query/alarms")
    history = ask(client, {"=": {"type": "creation"}}, "/v2/query/alarms/history")

    assert [one["alarm_id"] for one in found.json()] == [made[0]["alarm_id"]]
    assert [one["name"] for one in ordered.json()] == ["two", "one"]
    assert enabled.json() == []
    assert {one["alarm_id"] for one in history.json()} == {one["alarm_id"] for one in made}
    assert len(ask(world.client("admin"), path="/v2/query/alarms").json()) == 3
    assert ask(client, {"=": {"project_id": "project-b"}}, "/v2/query/alarms").status_code == 401
    assert ask(client, {"=": {"on_behalf_of": "project-b"}}, "/v2/query/alarms/history").status_code == 401
