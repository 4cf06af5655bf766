"""What refusals and faults look like, what is logged of a request, and the headers of every answer."""

from http import HTTPStatus

import pytest
from structlog.testing import capture_logs

from api.settings import ApiSettings
from api.watch import Watch
from storage.errors import DatabaseUnavailable, SchemaMismatch, TookTooLong
from storage.query import SampleQuery
from storage.reading.stored import FoundSample
from tests.api.world import World, fault


class Broken:
    """A store of samples that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def newest(self, query: SampleQuery, limit: int) -> list[FoundSample]:
        raise self._error

    async def newest_soon(self, query: SampleQuery, limit: int) -> None:
        return None


def test_errors_have_the_shape_clients_read(world: World) -> None:
    answer = world.client().get("/v2/samples?limit=0")

    assert answer.text == (
        '{"error_message": {"faultcode": "Client", "faultstring": "Limit must be positive", "debuginfo": null}}'
    )


def test_a_body_above_the_limit_is_413_whether_it_says_so_or_not(world: World) -> None:
    small = World(world.database, settings=ApiSettings(max_body_bytes=2048)).client()
    headers = {"Content-Type": "application/json"}

    declared = small.post("/v2/meters/cpu", content=b" " * 2049, headers=headers)
    chunked = small.post("/v2/meters/cpu", content=iter([b" " * 1024] * 3), headers=headers)

    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert fault(declared) == fault(chunked) == "Request body is larger than 2048 bytes"


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30])
def test_a_senseless_content_length_is_413(world: World, length: str) -> None:
    assert world.client(**{"Content-Length": length}).get("/v2/meters").status_code == 413


def test_without_its_database_the_api_answers_503_and_when_to_retry(world: World) -> None:
    broken = Broken(DatabaseUnavailable("password of db-7 is hunter2"))

    answer = World(world.database, replaced={"samples": broken}).client().get("/v2/samples")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["error_message"] == {
        "debuginfo": None, "faultcode": "Server", "faultstring": "The database is not available",
    }  # fmt: skip


def test_without_a_schema_callers_are_told_so_and_not_that_the_database_is_away(world: World) -> None:
    broken = Broken(SchemaMismatch("no table hot on db-7"))

    answer = World(world.database, replaced={"samples": broken}).client().get("/v2/samples")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "no schema, or an old one" in fault(answer)
    assert "nephometer db upgrade" in fault(answer)
    assert "db-7" not in fault(answer)


def test_why_a_request_was_not_served_is_logged(world: World) -> None:
    watch = Watch(())
    replaced = {"samples": Broken(DatabaseUnavailable("db-7 does not answer")), "watch": watch}
    World(world.database, replaced=replaced).client().get("/v2/samples")

    with capture_logs() as logged:
        watch.settle()

    assert logged == [
        {"event": "away_for_a_moment", "log_level": "warning", "reason": "db-7 does not answer"}
    ]


def test_a_question_that_takes_too_long_is_told_to_ask_for_less(world: World) -> None:
    broken = Broken(TookTooLong("canceling statement due to statement timeout"))

    answer = World(world.database, replaced={"samples": broken}).client().get("/v2/samples")

    assert answer.status_code == 503
    assert "ask for less" in fault(answer)
    assert "statement" not in fault(answer)


def test_a_fault_of_ours_tells_the_caller_nothing_and_the_log_where(world: World) -> None:
    client = World(world.database, replaced={"samples": Broken(RuntimeError("hunter2"))}).client()

    with capture_logs() as logged:
        answer = client.get("/v2/samples?q.field=user&q.value=hunter3")

    assert answer.status_code == 500
    assert answer.json()["error_message"] == {
        "debuginfo": None, "faultcode": "Server", "faultstring": "Internal Server Error",
    }  # fmt: skip
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    (failure,) = [line for line in logged if line["event"] == "request_failed"]
    assert failure["route"] == "/v2/samples"
    assert failure["error"] == "RuntimeError"
    assert failure["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert any("test_errors.py" in place for place in failure["places"])
    assert "hunter" not in str(logged)


def test_every_request_is_logged_without_what_it_asked_for(world: World) -> None:
    given = "req-01234567-89ab-cdef-0123-456789abcdef"
    client = world.client("admin", **{"X-Openstack-Request-Id": given})

    with capture_logs() as logged:
        answer = client.get("/v2/resources/hunter1?token=hunter2")

    (line,) = logged
    milliseconds = line.pop("milliseconds")
    assert milliseconds > 0
    assert line == {
        "event": "request_answered",
        "log_level": "info",
        "method": "GET",
        "route": "/v2/resources/{resource_id:path}",
        "status": 400,
        "request_id": answer.headers["X-Openstack-Request-Id"],
        "global_request_id": given,
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_good_answers_to_probes_are_no_news(world: World, path: str) -> None:
    with capture_logs() as logged:
        answer = world.client("admin").get(path)

    assert answer.status_code == 200
    assert [line["log_level"] for line in logged] == ["debug"]


@pytest.mark.parametrize(
    "given", ["x", "req-1", "req-01234567-89ab-cdef-0123-456789abcdef\tx", "req-" + "a" * 5000]
)
def test_a_senseless_request_id_is_neither_logged_nor_answered(world: World, given: str) -> None:
    with capture_logs() as logged:
        answer = world.client("admin", **{"X-Openstack-Request-Id": given}).get("/v2/meters")

    assert answer.headers["X-Openstack-Request-Id"].startswith("req-")
    assert given not in (answer.headers["X-Openstack-Request-Id"], str(logged))
    assert "global_request_id" not in logged[0]


def test_tenant_data_is_neither_cached_nor_framed_nor_sniffed(world: World) -> None:
    for path in ("/v2/samples", "/v2/samples/none", "/"):
        headers = world.client().get(path).headers

        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert not any(name.lower().startswith("access-control") for name in headers)


def test_the_version_document_is_answered_to_everybody(world: World) -> None:
    answer = world.client(None).get("/")

    (v2,) = answer.json()["versions"]["values"]
    assert (v2["id"], v2["status"], v2["updated"]) == ("v2", "stable", "2013-02-13T00:00:00Z")
    assert v2["links"][0] == {"href": "http://testserver/v2", "rel": "self"}
    assert v2["media-types"][0] == {
        "base": "application/json", "type": "application/vnd.openstack.telemetry-v2+json",
    }  # fmt: skip


def test_links_use_the_public_url_when_one_is_set(world: World) -> None:
    behind = World(world.database, settings=ApiSettings(public_url="https://cloud.example/metering/"))

    (v2,) = behind.client().get("/").json()["versions"]["values"]

    assert v2["links"][0]["href"] == "https://cloud.example/metering/v2"


def test_capabilities_tell_what_is_there_and_what_is_not(world: World) -> None:
    told = world.client("reader-a").get("/v2/capabilities").json()

    assert set(told) == {"api", "storage", "alarm_storage", "event_storage"}
    assert told["storage"] == {"storage:production_ready": True}
    assert told["api"]["statistics:groupby"] is True
    assert told["api"]["statistics:aggregation:selectable:cardinality"] is True
    assert told["api"]["samples:query:complex"] is True
    assert told["api"]["meters:query:complex"] is False


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "detail"),
    [
        ("GET", "/v3/nothing", "admin", 404, "The resource could not be found."),
        ("PUT", "/v3/webhooks/secret", "admin", 405, "The method PUT is not allowed for this resource."),
        ("GET", "/v3/webhooks/secret", "nobody", 401, "Authentication required"),
        ("GET", "/v3/webhooks/secret", "reader-a", 403, "403 Forbidden"),
        (
            "GET",
            "/v3/webhooks/deliveries?state=odd",
            "admin",
            400,
            "state: Input should be 'pending', 'delivered' or 'failed'",
        ),
    ],
)
def test_errors_of_the_native_api_are_problem_details(
    world: World, method: str, path: str, token: str, status: int, detail: str
) -> None:
    answer = world.client(token).request(method, path)

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
    }  # fmt: skip
