"""POST /v2/meters/{name}."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.settings import AuthSettings
from collector.errors import PublisherUnavailable
from storage.sample import Refused
from tests.api.world import World, fault
from tests.factories import NOW

JSON = {"Content-Type": "application/json"}
POSTED: dict[str, Any] = {  # Any: JSON
    "counter_name": "m",
    "counter_type": "gauge",
    "counter_unit": "x",
    "counter_volume": 1.5,
    "resource_id": "r1",
}


def post(
    client: TestClient, *samples: object, path: str = "/v2/meters/m", **headers: str
) -> Any:  # Any: a response
    return client.post(path, content=json.dumps(samples), headers=JSON | headers)


def posted(**changes: object) -> dict[str, object]:
    return POSTED | changes


def with_volume(literal: bytes) -> bytes:
    return json.dumps([posted(counter_volume=0)]).encode().replace(b": 0", b": " + literal)


def stored(world: World) -> list[dict[str, Any]]:  # Any: JSON
    found: list[dict[str, Any]] = world.client().get("/v2/meters/m").json()
    return [{key: value for key, value in one.items() if key != "recorded_at"} for one in found]


def test_a_posted_sample_is_answered_complete_and_at_once_there(world: World) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)

    answer = post(world.client("member-a"), POSTED)

    assert answer.status_code == 201
    (created,) = answer.json()
    assert created == POSTED | {
        "source": "project-a:openstack",
        "user_id": "user-a",
        "project_id": "project-a",
        "timestamp": created["timestamp"],
        "resource_metadata": {},
        "message_id": created["message_id"],
    }
    assert timedelta() <= datetime.fromisoformat(created["timestamp"]) - before < timedelta(seconds=30)
    assert stored(world) == [created]
    assert world.client("member-a").get(f"/v2/samples/{created['message_id']}").status_code == 200


def test_what_the_caller_gives_is_kept(world: World) -> None:
    given = posted(
        source="billing", user_id="someone", timestamp="2020-01-01T12:00:00.5+02:00",
        resource_metadata={"a.b": "1", "a.c.d": "2", "plain": "x"},
    )  # fmt: skip

    (created,) = post(world.client("member-a"), given).json()

    assert (created["source"], created["user_id"]) == ("project-a:billing", "someone")
    assert created["timestamp"] == "2020-01-01T10:00:00.500000"
    assert created["resource_metadata"] == {"a.b": "1", "a.c:d": "2", "plain": "x"}
    assert stored(world) == [created]


@pytest.mark.parametrize(
    ("volume", "read"), [("1.5", 1.5), ("7", 7.0), (7, 7.0), ("-2e3", -2000.0), (2**53 + 1, 2.0**53)]
)
def test_a_volume_may_be_a_number_or_its_text(world: World, volume: object, read: float) -> None:
    answer = post(world.client(), posted(counter_volume=volume))

    assert answer.status_code == 201
    assert [one["counter_volume"] for one in stored(world)] == [read]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"counter_name": "other"}, "Invalid input for field/attribute counter_name. Value: 'other'. should be m"),
        ({"message_id": "x"}, "field/attribute message_id. Value: 'x'. The message_id must not be set"),
        ({"counter_type": "average"}, "Value: 'average'. The counter type must be: gauge, delta, cumulative"),
        ({"counter_type": ["gauge"]}, "The counter type must be: gauge, delta, cumulative"),
        ({"counter_name": None}, "counter_name. Mandatory field missing."),
        ({"counter_type": None}, "counter_type. Mandatory field missing."),
        ({"counter_unit": None}, "counter_unit. Mandatory field missing."),
        ({"counter_volume": None}, "counter_volume. Mandatory field missing."),
        ({"resource_id": None}, "resource_id. Mandatory field missing."),
        ({"nonsense": 1}, "Unknown attribute: nonsense"),
        ({"counter_volume": True}, "volume is not a number"),
        ({"counter_volume": "NaN"}, "volume is not a number"),
        ({"counter_volume": "0x10"}, "volume is not a number"),
        ({"counter_volume": [1]}, "volume is not a number"),
        ({"counter_volume": 10**30}, "volume is beyond 64 bits"),
        ({"counter_volume": -1, "counter_type": "cumulative"}, "volume of a cumulative meter is negative"),
        ({"resource_id": "r" * 256}, "resource is longer than 255 characters"),
        ({"resource_id": ""}, "resource is missing"),
        ({"resource_id": 7}, "resource is not text"),
        ({"counter_unit": "u" * 256}, "unit is longer than 255 characters"),
        ({"counter_unit": 7}, "unit is not text"),
        ({"user_id": {}, "project_id": "p"}, ""),
        ({"user_id": [1]}, "user is not text"),
        ({"source": "s" * 256}, "source is longer than 255 characters"),
        ({"timestamp": "yesterday"}, "timestamp: a time that is not ISO 8601 text"),
        ({"timestamp": 1700000000}, "timestamp: a time that is not ISO 8601 text"),
        ({"timestamp": "2199-01-01T00:00:00"}, "timestamp: a time more than 5 minutes in the future"),
        ({"timestamp": "1969-12-31T23:59:59"}, "timestamp: a time before 1970"),
        ({"resource_metadata": [1]}, "resource_metadata. Value: ''. an object is expected"),
        ({"resource_metadata": "x"}, "an object is expected"),
    ],
)  # fmt: skip
def test_a_bad_sample_is_refused_by_name_and_its_neighbours_with_it(
    world: World, changes: dict[str, object], text: str
) -> None:
    bad = posted(**changes)

    answer = post(world.client(), posted(resource_id="good"), bad)

    if not text:  # an empty object is no user, as an empty text is none
        assert answer.status_code == 201
        return
    assert answer.status_code == 400
    assert text in fault(answer)
    assert stored(world) == []


@pytest.mark.parametrize(
    "name", ["counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id"]
)
def test_a_missing_field_is_named(world: World, name: str) -> None:
    sample = {key: value for key, value in POSTED.items() if key != name}

    assert (
        fault(post(world.client(), sample))
        == f"Invalid input for field/attribute {name}. Mandatory field missing."
    )


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_an_empty_body_is_refused(world: World, body: bytes) -> None:
    answer = world.client().post("/v2/meters/m", content=body, headers=JSON)

    assert (answer.status_code, fault(answer)) == (400, "Samples should be included in request body")


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"null", b"1", b"[1]", b"[null]", b"[[]]", b"[", b"\xff", b"[NaN]", b"[" * 200_000,
        b'[{"counter_name": "m", "counter_name": "m"}]',
        with_volume(b"NaN"), with_volume(b"-Infinity"), with_volume(b"1e400"), with_volume(b"1" * 5000),
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)  # fmt: skip
def test_a_body_that_is_no_array_of_samples_is_refused(world: World, body: bytes) -> None:
    answer = world.client().post("/v2/meters/m", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["error_message"]["faultcode"] == "Client"
    assert stored(world) == []


def test_deep_metadata_is_cut_and_never_a_fault(world: World) -> None:
    deep: object = "x"
    for _ in range(200):
        deep = {"k": deep}

    answer = post(world.client(), posted(resource_metadata={"deep": deep, ".".join("k" * 500): "x"}))

    assert answer.status_code == 201
    assert answer.json()[0]["resource_metadata"]["metadata_truncated"] == "True"


@pytest.mark.parametrize(
    "text", ["nul\0", "lone\ud800", "right\u202eleft", "😀", "a/b?c#d", "'; DROP TABLE hot; --"]
)
def test_odd_text_is_stored_and_found_again_by_what_was_posted(world: World, text: str) -> None:
    (created,) = post(world.client(), posted(resource_id=text)).json()
    body = {"q": [{"field": "resource", "op": "eq", "value": text}]}

    found = world.client().request("GET", "/v2/meters/m", content=json.dumps(body), headers=JSON).json()

    assert [one["message_id"] for one in found] == [created["message_id"]]


@pytest.mark.parametrize(
    ("token", "project", "status"),
    [
        ("reader-a", "project-a", 403),
        ("member-a", "project-a", 201),
        ("member-a", None, 201),
        ("member-a", "", 201),
        ("member-a", "project-b", 400),
        ("member-a", "project-a ", 400),
        ("member-a", "PROJECT-A", 400),
        ("member-a", ["project-a"], 400),
        ("admin", "project-b", 201),
        ("service", "project-b", 201),
        ("service", None, 201),
    ],
)
def test_only_an_administrator_or_a_service_posts_for_others(
    world: World, token: str, project: object, status: int
) -> None:
    answer = post(world.client(token), posted(project_id=project))

    assert answer.status_code == status
    if status == 400:
        assert "can not post samples to other projects" in fault(answer)
    assert len(stored(world)) == (1 if status == 201 else 0)


def test_one_foreign_sample_spoils_the_whole_post(world: World) -> None:
    post(world.client("member-a"), POSTED, posted(resource_id="r2", project_id="project-b"))

    assert stored(world) == []


@pytest.mark.parametrize("direct", ["True", "False", "1", "nonsense"])
def test_direct_makes_no_difference(world: World, direct: str) -> None:
    assert post(world.client(), POSTED, path=f"/v2/meters/m?direct={direct}").status_code == 201
    assert len(stored(world)) == 1


def test_the_same_reading_posted_twice_counts_once(world: World) -> None:
    reading = posted(timestamp="2020-01-01T12:00:00")

    first, second = post(world.client(), reading).json(), post(world.client(), reading).json()

    assert first[0]["message_id"] == second[0]["message_id"]
    assert len(stored(world)) == 1


def test_two_deltas_are_two_unless_they_carry_the_same_idempotency_key(world: World) -> None:
    delta = posted(counter_type="delta", timestamp="2020-01-01T12:00:00")
    keyed = {"Idempotency-Key": "k1"}

    post(world.client("member-a"), delta, delta)
    twice = [post(world.client("member-a"), delta, **keyed).json()[0]["message_id"] for _ in range(2)]
    post(world.client("member-b"), delta, **keyed)

    assert twice[0] == twice[1]
    assert len(stored(world)) == 4


def test_in_mode_none_a_sample_has_no_owner_unless_one_is_given(world: World) -> None:
    client = World(world.database, auth=AuthSettings(), url="http://127.0.0.1:8777").client(None)

    (nobodys,) = post(client, POSTED).json()
    (somebodys,) = post(client, posted(project_id="p")).json()

    assert (nobodys["project_id"], nobodys["source"]) == (None, "openstack")
    assert (somebodys["project_id"], somebodys["source"]) == ("p", "p:openstack")


class Intake:
    """A pipeline that does one thing."""

    def __init__(self, error: Exception | None = None, refused: list[Refused] | None = None) -> None:
        self._error = error
        self._refused = refused or []

    def accept(self, samples: object, *, origin: str, now: datetime) -> list[Refused]:
        if self._error:
            raise self._error
        return self._refused


def test_without_the_database_a_post_is_503_so_that_it_is_tried_again(world: World) -> None:
    broken = World(world.database, replaced={"pipeline": Intake(error=PublisherUnavailable("hunter2"))})

    answer = post(broken.client(), POSTED)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "hunter2" not in answer.text


def test_what_the_pipeline_refuses_is_a_400_with_its_reason(world: World) -> None:
    picky = World(
        world.database, replaced={"pipeline": Intake(refused=[Refused("too odd", b"", "api", NOW)])}
    )

    answer = post(picky.client(), POSTED)

    assert (answer.status_code, fault(answer)) == (400, "Invalid sample: too odd")
