import re

import pytest
from starlette.testclient import TestClient

from api.documentation import ASSETS
from tests.api.world import World


@pytest.fixture
def anybody(world: World) -> TestClient:
    return world.client(None)


def test_the_page_loads_only_what_this_server_has(anybody: TestClient) -> None:
    page = anybody.get("/docs")

    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert [url for url in wanted if url.startswith("docs/")] == [
        "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js",
    ]  # fmt: skip
    assert all(url.startswith(("docs/", "data:")) for url in wanted)
    assert "//" not in page.text.replace("data:,", "")
    for url in wanted:
        if url.startswith("docs/"):
            assert anybody.get(f"/{url}").status_code == 200


def test_the_browser_is_told_to_load_nothing_else(anybody: TestClient) -> None:
    policy = anybody.get("/docs").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_the_style_and_the_start_script_name_no_foreign_host(anybody: TestClient) -> None:
    for name in ("swagger-ui.css", "start.js"):
        text = anybody.get(f"/docs/{name}").text

        assert text
        assert re.findall(r"(?:url\(|@import|url:)\s*[\"']?(?:https?:)?//", text) == []


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Fapp.py", "..%2f..%2fapp.py", "%2Fetc%2Fpasswd", "NOTICE%00"]
)
def test_only_the_listed_files_are_served(anybody: TestClient, name: str) -> None:
    assert anybody.get(f"/docs/{name}").status_code == 404


def test_assets_may_be_cached(anybody: TestClient) -> None:
    for name, kind in ASSETS.items():
        answer = anybody.get(f"/docs/{name}")

        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["Cache-Control"] == "max-age=86400"


def test_the_openapi_document_describes_the_arguments_and_answers(anybody: TestClient) -> None:
    document = anybody.get("/openapi.json").json()

    statistics = document["paths"]["/v2/meters/{name}/statistics"]["get"]
    names = [parameter["name"] for parameter in statistics["parameters"]]
    assert document["openapi"].startswith("3.1")
    assert {"name", "q.field", "q.op", "q.type", "q.value", "period", "groupby", "aggregate.func"} <= set(
        names
    )
    assert statistics["responses"]["200"]["content"]["application/json"]["schema"]["items"] == {
        "$ref": "#/components/schemas/Statistics"
    }
    assert "/metrics" not in document["paths"]
