"""Plain routes say the same whether FastAPI is on their way or not."""

from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Receive, Scope, Send

from api.direct import PLAIN, Direct
from api.settings import AuthSettings
from storage.errors import TookTooLong
from tests.api.world import World
from tests.factories import series

ASKED = (
    "/v2/samples?q.field=meter&q.value=cpu&limit=3",
    "/v2/samples?limit=0",
    "/v2/samples?unknown=1",
    "/v2/samples/",
    "/v2/samples/nobody",
    "/v2/samples/a/b",
    "/v2/meters",
    "/v2/meters/cpu",
    "/v2/meters/c%2Fu",
    "/v2/meters/cpu/statistics?period=60&groupby=resource_id",
    "/v2/meters/cpu/statistics?period=-1",
    "/v2/resources?meter_links=0",
    "/v2/resources/a",
    "/v2/resources/a%2Fb",
    "/v2/resources/",
    "/v2/capabilities",
    "/v2/capabilities?x=1",
    "/v2/alarms",
    "/v2/alarms/none/history",
    "/v2/nothing",
    "/v2/",
    "/v2",
)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("token", ["admin", "reader-a", "service", "wrong", None])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_the_answer_is_the_one_of_fastapi(
    world: World, path: str, token: str | None, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keep(series(5, resource_id="a"))

    answered = _asked(world, path, token, method)
    monkeypatch.setattr(Direct, "__call__", _through)

    assert answered == _asked(world, path, token, method)


@pytest.mark.parametrize("accept", ["text/plain", "*/*"])
def test_who_is_refused_first_is_the_same(world: World, accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = _asked(world, "/v2/samples?unknown=1", "wrong", "GET", accept)
    monkeypatch.setattr(Direct, "__call__", _through)

    assert answered == _asked(world, "/v2/samples?unknown=1", "wrong", "GET", accept)


def test_every_get_of_v2_is_plain(world: World) -> None:
    direct = world.app.middleware_stack
    routes = [
        context
        for context in iter_route_contexts(world.app.routes)
        if (context.path or "").startswith(PLAIN) and "GET" in (context.methods or ())
    ]

    assert isinstance(direct, Direct)
    assert len(routes) > 10
    assert [route.path for route in direct.routes] == [context.path for context in routes]


def test_the_log_and_the_count_know_the_route(world: World) -> None:
    world.client().get("/v2/meters/whispered/statistics")

    told = world.client().get("/metrics").text

    assert 'route="/v2/meters/{name}/statistics"' in told
    assert "whispered" not in told


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v2/capabilities", {"Host": "evil.example"}),
        ("/v2/capabilities", {"Content-Length": "99999999"}),
        ("/v2/capabilities/", {}),
        ("/v2/samples?limit=1", {"Content-Length": "2", "Content-Type": "text/plain"}),
    ],
)
def test_what_is_odd_about_a_request_is_looked_at_by_fastapi(
    world: World, path: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = World(world.database, auth=AuthSettings(), url="http://127.0.0.1").client()

    answer = client.get(path, headers=headers)
    monkeypatch.setattr(Direct, "__call__", _through)
    expected = client.get(path, headers=headers)

    assert (answer.status_code, answer.content) == (expected.status_code, expected.content)


@pytest.mark.parametrize("error", [TookTooLong("statement timeout"), KeyError("a fault of ours")])
def test_what_a_handler_raises_is_answered_once(world: World, error: Exception) -> None:
    asked = []

    class Failing:
        async def newest_soon(self, query: object, limit: int) -> None:
            asked.append((query, limit))
            raise error

    client = World(world.database, replaced={"samples": Failing()}).client()
    answers = [client.get("/v2/samples"), client.get("/v2/samples")]
    counted = client.get("/metrics").text

    assert len(asked) == 2
    status = 503 if isinstance(error, TookTooLong) else 500
    assert {answer.status_code for answer in answers} == {status}
    assert len({answer.headers["x-openstack-request-id"] for answer in answers}) == 2
    assert f'requests_total{{method="GET",route="/v2/samples",status="{status}"}} 2.0' in counted


async def _through(self: Direct, scope: Scope, receive: Receive, send: Send) -> None:
    await self.app(scope, receive, send)


def _asked(world: World, path: str, token: str | None, method: str, accept: str = "*/*") -> list[Any]:
    answer = world.client(token, Accept=accept).request(method, path)
    headers = {
        name: value for name, value in answer.headers.items() if name.lower() != "x-openstack-request-id"
    }
    return [answer.status_code, answer.content, headers]
