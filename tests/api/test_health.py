from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from tests.api.world import World


@dataclass
class Finding:
    """A check that always finds the same."""

    name: str
    reason: str | None = None

    def check(self) -> str | None:
        return self.reason


def test_a_server_that_lives_says_so_whatever_else_is_broken(world: World) -> None:
    client = World(world.database, readiness=(Finding("database", "away"),)).client(None)

    for path in ("/healthz", "/healthcheck"):
        assert (client.get(path).status_code, client.get(path).json()) == (200, {"status": "ok"})


def test_a_server_is_ready_when_every_check_is_well(world: World) -> None:
    client = World(world.database, readiness=(Finding("database"), Finding("schema"))).client(None)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": [
            {"name": "database", "ok": True, "reason": None},
            {"name": "schema", "ok": True, "reason": None},
        ],
    }


def test_a_server_is_not_ready_while_one_check_is_not_and_says_which(world: World) -> None:
    client = World(
        world.database, readiness=(Finding("database"), Finding("broker", "does not answer"))
    ).client()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"][1] == {"name": "broker", "ok": False, "reason": "does not answer"}


@pytest.mark.parametrize("token", [None, "member-a", "nobody"])
def test_why_a_server_is_not_ready_is_for_administrators_and_the_log(world: World, token: str | None) -> None:
    client = World(world.database, readiness=(Finding("database", "no route to db-7"),)).client(token)

    with capture_logs() as logged:
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == [{"name": "database", "ok": False, "reason": None}]
    assert [line for line in logged if line["event"] == "not_ready"] == [
        {"event": "not_ready", "log_level": "warning", "database": "no route to db-7"}
    ]


def test_requests_are_counted_by_route_and_never_by_what_callers_wrote(world: World) -> None:
    client = world.client()
    for path in ("/v2/meters/whispered-meter", "/v2/resources/whispered-resource", "/whispered-path"):
        client.get(path)
    client.request("BREW", "/v2/meters")

    page = client.get("/metrics")

    assert page.headers["Content-Type"].startswith("text/plain")
    assert (
        'nephometer_api_requests_total{method="GET",route="/v2/meters/{name}",status="200"} 1.0' in page.text
    )
    assert 'nephometer_api_requests_total{method="GET",route="unmatched",status="404"} 1.0' in page.text
    assert 'nephometer_api_requests_total{method="other",route="/v2/meters",status="405"} 1.0' in page.text
    assert 'nephometer_api_request_seconds_count{route="/v2/meters/{name}"} 1.0' in page.text
    assert "whispered" not in page.text
