"""What every /v2 path has in common: content types, methods, paths, arguments, headers, error bodies."""

import pytest

from tests.api.world import World, fault
from tests.factories import series

LISTS = ["/v2/meters", "/v2/meters/cpu", "/v2/samples", "/v2/resources"]


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/*",
        "text/html, */*;q=0.1",
        "application/json;q=0.5, text/plain",
    ],
)
def test_json_is_answered_to_whoever_takes_it(world: World, accept: str) -> None:
    answer = world.client(Accept=accept).get("/v2/meters")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "accept", ["text/plain", "application/xml", "application/json;q=0", "", "application/json;q=nan"]
)
def test_406_is_answered_to_everybody_else(world: World, accept: str) -> None:
    answer = world.client(Accept=accept).get("/v2/meters")

    assert answer.status_code == 406
    assert isinstance(answer.json()["error_message"], str)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_a_body_of_another_type_is_415(world: World, kind: str) -> None:
    answer = world.client().post("/v2/meters/cpu", content=b"[]", headers={"Content-Type": kind})

    assert answer.status_code == 415


def test_a_charset_does_not_hurt(world: World) -> None:
    answer = world.client().post(
        "/v2/meters/cpu", content=b"[]", headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )

    assert fault(answer) == "Samples should be included in request body"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2/meters", "GET"),
        ("DELETE", "/v2/meters/cpu", "GET, POST"),
        ("PUT", "/v2/meters/cpu/statistics", "GET"),
        ("POST", "/v2/samples", "GET"),
        ("DELETE", "/v2/resources/a%2Fb", "GET"),
        ("POST", "/", "GET"),
    ],
)
def test_a_wrong_method_is_405_with_the_right_ones(
    world: World, method: str, path: str, allowed: str
) -> None:
    answer = world.client().request(method, path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert answer.json()["error_message"].startswith("405 Method Not Allowed\n\n")


@pytest.mark.parametrize(
    "path", ["/v1/meters", "/v2", "/v2/nothing", "/v2/meters/cpu/nothing", "/v2/samples/a/b", "/nothing"]
)
def test_an_unknown_path_is_404(world: World, path: str) -> None:
    answer = world.client().get(path)

    assert answer.status_code == 404
    assert answer.json() == {"error_message": "404 Not Found\n\nThe resource could not be found."}


@pytest.mark.parametrize("path", [*LISTS, "/v2/meters/cpu/statistics", "/v2/capabilities"])
def test_a_trailing_slash_is_tolerated(world: World, path: str) -> None:
    assert world.client().get(path + "/").json() == world.client().get(path).json()


@pytest.mark.parametrize(
    "path", [*LISTS, "/v2/meters/cpu/statistics", "/v2/capabilities", "/v2/samples/x", "/v2/resources/x"]
)
@pytest.mark.parametrize(
    "name", ["nonsense", "Limit", "q", "q.fields", "project_id", "all_projects", "fields", "sort", "marker"]
)
def test_an_unknown_parameter_is_refused(world: World, path: str, name: str) -> None:
    answer = world.client().get(path, params={name: "1"})

    assert (answer.status_code, fault(answer)) == (400, f'Unknown argument: "{name}"')


@pytest.mark.parametrize("path", LISTS)
def test_a_repeated_scalar_is_refused(world: World, path: str) -> None:
    answer = world.client().get(f"{path}?limit=1&limit=1")

    assert (answer.status_code, fault(answer)) == (400, "Parameter limit was given several times")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("0", "Limit must be positive"),
        ("-1", "Limit must be positive"),
        ("NaN", "unable to convert to int"),
        ("", "unable to convert to int"),
        ("1.0", "unable to convert to int"),
        ("1e9", "unable to convert to int"),
        ("9" * 5000, "unable to convert to int"),
        (str(10**30), "Limit must not be larger than 10000"),
        ("10001", "Limit must not be larger than 10000"),
    ],
)
def test_a_limit_is_a_positive_number_below_the_bound(world: World, path: str, limit: str, text: str) -> None:
    answer = world.client().get(path, params={"limit": limit})

    assert answer.status_code == 400
    assert text in fault(answer)


def test_lists_have_a_default_limit(world: World) -> None:
    world.keep(series(103))

    assert len(world.client().get("/v2/samples").json()) == 100
    assert len(world.client().get("/v2/samples?limit=102").json()) == 102


@pytest.mark.parametrize(
    "query",
    [
        "q.field=user",
        "q.value=x",
        "q.op=eq",
        "q.field=user&q.field=project&q.value=x",
        "q.field=user&q.value=x&q.value=y",
        "q.field=user&q.op=eq&q.op=eq&q.value=x",
    ],
)
def test_conditions_must_be_whole(world: World, query: str) -> None:
    answer = world.client().get(f"/v2/samples?{query}")

    assert answer.status_code == 400
    assert "must be given once for every condition" in fault(answer)


def test_too_many_conditions_are_refused(world: World) -> None:
    assert "more than 64 conditions" in fault(
        world.client().get("/v2/samples?" + "q.field=user&q.value=x&" * 65)
    )


def test_a_query_may_be_a_json_body(world: World) -> None:
    world.keep([*series(2), *series(3, resource_id="other")])
    body = {"q": [{"field": "resource", "op": "eq", "value": "other"}], "limit": 2}

    answer = world.client().request("GET", "/v2/samples", json=body)

    assert [sample["resource_id"] for sample in answer.json()] == ["other", "other"]


@pytest.mark.parametrize(
    "body",
    [
        b"[", b"[]", b"null", b'"q"', b'{"q": 1}', b'{"q": [1]}', b'{"q": [{"field": {}, "value": "x"}]}',
        b'{"q": [{"fields": "x"}]}', b'{"limit": [1, 2]}', b'{"limit": {}}', b'{"nonsense": 1}', b"\xff\xfe[]",
        b'{"limit": 1, "limit": 2}', b'{"limit": 1e400}', b"[" * 100_000, b'{"a":' * 100_000,
    ],
    ids=str,
)  # fmt: skip
def test_a_broken_json_body_is_refused(world: World, body: bytes) -> None:
    answer = world.client().request(
        "GET", "/v2/samples", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["error_message"]["faultcode"] == "Client"


def test_an_argument_in_the_url_and_in_the_body_is_refused(world: World) -> None:
    answer = world.client().request("GET", "/v2/samples?limit=1", json={"limit": 2})

    assert (answer.status_code, fault(answer)) == (400, "Parameter limit was given several times")
