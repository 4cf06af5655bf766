"""Hostile text through every parameter: never a fault of ours, never a changed row, the same on every database."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.api.world import World, conditions, empty_database
from tests.factories import sample, series

CORPUS = (
    "'", "''", '"', "\\", "`", ";", "--", "/*", "*/", "%", "_", "%%", "%s", "%(x)s", "{}", "{0}", "${x}",
    ":x", "?", "$1", "' OR '1'='1", "' OR 1=1 --", "') OR ('1'='1", '" OR ""="', "1 OR 1=1",
    "1; DROP TABLE hot", "'; DROP TABLE hot; --", "' UNION SELECT NULL,NULL,NULL --",
    "1 UNION ALL SELECT version()", "'||(SELECT version())||'", "' AND SLEEP(5) --",
    "'; SELECT pg_sleep(5); --", "'; WAITFOR DELAY '0:0:5' --", "1 AND (SELECT 1 FROM pg_sleep(5))",
    "' || '", "' + '", "admin'--", "x' AND email IS NULL; --", '$."a\'); --', "$.a", "a'] || ['",
    "a.b.c.d.e.f", "..", "../../etc/passwd", "%00", "\x00", "a\x00b", "\x01", "\x1b[31m",
    "\r\nX-Injected: 1", "\n", "\t", "\u202e", "\u200b", "\ufeff", "\uffff", "\U0001f600", "\xe9",
    "e\u0301", "\u0130", "\xdf", "\ufb01", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x}",
    "$(id)", "`id`", "|id", "& id", "__import__('os').system('id')", "().__class__.__bases__", "[" * 500,
    "(" * 500, "{" * 500, "1" * 500, "9" * 4500, "-1", "0", "1e400", "NaN", "Infinity", "-Infinity", "0x10",
    "1_000", "\u0663", "true", "True", "null", "None", "undefined", "[]", "{}", "[1,2]", '{"a": 1}',
    "{'a': 1}", "1970-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30",
    "2026-11-23T12:00:60", "x" * 10000, " ", "", "a ", " a", "A", "(a+)+$", "=cmd|' /C calc'!A0",
)  # fmt: skip

FIELDS = (
    "user", "project", "resource", "source", "meter", "message_id", "metadata.k", "timestamp", "search_offset",
)  # fmt: skip
LISTS = {
    "/v2/meters": ("limit", "unique"),
    "/v2/meters/cpu": ("limit",),
    "/v2/samples": ("limit",),
    "/v2/resources": ("limit", "meter_links"),
    "/v2/meters/cpu/statistics": ("period", "groupby", "aggregate.func", "aggregate.param"),
    "/v2/alarms": ("limit",),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = empty_database(tmp_path_factory.mktemp("injection"))
    world = World(database)
    world.keep(series(3))
    yield world
    database.dispose()


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_changed(world: World, client: TestClient) -> Iterator[None]:
    before = client.get("/v2/meters/cpu").text
    yield
    assert client.get("/v2/meters/cpu").text == before


def check(answer: Any) -> None:  # Any: a response
    assert answer.status_code < 500, (answer.status_code, str(answer.url)[:300])
    assert answer.headers["Content-Type"] == "application/json"
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("path", LISTS)
def test_no_argument_breaks_out_of_its_place(client: TestClient, path: str) -> None:
    for text in CORPUS:
        for name in LISTS[path]:
            check(client.get(path, params={name: text}))
        check(client.get(path, params={text: text}))
        for part in ("field", "op", "type", "value"):
            whole = {"q.field": "user", "q.op": "eq", "q.type": "", "q.value": "x"}
            check(client.get(path, params=whole | {f"q.{part}": text}))


@pytest.mark.parametrize("path", LISTS)
def test_no_condition_breaks_out_of_its_place(client: TestClient, path: str) -> None:
    for text in CORPUS:
        for field in FIELDS:
            check(client.get(path, params=conditions((field, "ge" if field == "timestamp" else "eq", text))))
        check(client.get(path, params=conditions((f"metadata.{text}", "eq", "x"))))
        check(client.get(path, params=conditions((text, "eq", "x"))))
        check(client.get(path, params=conditions(("metadata.k", "eq", text, "integer"))))
        check(client.get(path, params=conditions(("metadata.k", "eq", text, "float"))))


def test_no_path_breaks_out_of_its_place(client: TestClient) -> None:
    for text in CORPUS:
        name = quote(text, safe="")
        for template in (
            "meters/{}",
            "meters/{}/statistics",
            "samples/{}",
            "resources/{}",
            "alarms/{}",
            "{}",
        ):
            check(client.get(f"/v2/{template.format(name)}"))


def test_no_header_breaks_out_of_its_place(world: World) -> None:
    for text in CORPUS:
        if text.isascii() and text.isprintable():
            with world.client(text or None) as client:
                check(client.get("/v2/meters", headers={"Accept": text, "X-Openstack-Request-Id": text}))


def test_no_posted_text_breaks_out_of_its_place(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = empty_database(tmp_path_factory.mktemp("posted"))
    good = {
        "counter_name": "m", "counter_type": "gauge", "counter_unit": "x", "counter_volume": 1, "resource_id": "r",
    }  # fmt: skip

    with World(database).client() as client:
        for text in CORPUS:
            for name in (*good, "project_id", "user_id", "source", "timestamp"):
                check(client.post("/v2/meters/m", json=[good | {name: text}]))
            check(client.post("/v2/meters/m", json=[good | {"resource_metadata": {text: text}}]))

    database.dispose()


@pytest.mark.parametrize(
    "field", ["user", "resource", "source", "meter", "message_id", "metadata.k", "metadata.a.b"]
)
def test_hostile_text_finds_exactly_what_is_so_named_on_every_database(schema_url: str, field: str) -> None:
    database = Database(DatabaseSettings(url=schema_url))
    world = World(database)
    world.keep([*series(3), sample(resource_id="' OR '1'='1", metadata={"k": "' OR '1'='1"})])

    with world.client() as client:
        found = {
            text: len(client.get("/v2/samples", params=conditions((field, "eq", text))).json())
            for text in CORPUS
        }

    database.dispose()
    expected = {"' OR '1'='1"} if field in {"resource", "metadata.k"} else set()
    assert {text for text, count in found.items() if count} == expected
