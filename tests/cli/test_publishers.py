"""What the doctor and `nephometer publishers` say of publishers, and what the settings demand of their URLs."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cli import doctor_publishers
from cli.main import app
from cli.outlets import configured
from cli.settings import Settings
from collector.errors import InvalidPublisher
from collector.settings import CollectorSettings
from storage.database import Database
from storage.outgoing import Outgoing, Owed
from storage.settings import DatabaseSettings
from storage.standings import Standing, Standings
from tests.databases import sqlite_with_schema
from tests.factories import MINUTE, NOW

NAME = "https://billing.example/usage"
FINE = Standing(NAME, 0, 0, None, 0, None, None, 0)


def settings(*urls: str, database: str = "") -> Settings:
    publishers = tuple(map(SecretStr, urls))
    return Settings(
        collector=CollectorSettings(publishers=publishers), database=DatabaseSettings(url=database)
    )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A database in which one publisher is owed three samples and refused two."""
    url = sqlite_with_schema(tmp_path)
    database = Database(DatabaseSettings(url=url))
    outgoing = Outgoing(database)
    Standings(database).begin(NAME)
    outgoing.put([Owed(NAME, "samples", 2, b"bad"), Owed(NAME, "samples", 3, b"good")], NOW)
    for batch in (outgoing.lease(NAME, NOW + MINUTE, MINUTE, pieces=2, size=10) or [])[:1]:
        outgoing.set_aside(NAME, batch, "HTTP 400", pieces=2, body=b"bad")
    database.dispose()
    return url


def test_without_publishers_there_is_nothing_to_say() -> None:
    assert configured(settings()) == []
    assert doctor_publishers.examine(settings(database="sqlite:////nowhere/none.db"), NOW) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gopher://host", "there is no gopher://; there are file, http"),
        ("https://user:s3cret@host/?retries=1", "unknown option retries; there are: batch"),
        ("https://host:port/", "look at host and port"),
        ("http:///path", "a host is missing"),
        ("file://relative/path", "the path must be absolute"),
        ("http://host?timeout=soon", "timeout=soon must be a number from 0.1 to 60"),
        ("http://host?batch=maybe", "batch=maybe must be true or false"),
        ("https://host?clientcert=/none.pem", "clientcert or clientkey cannot be used"),
        ("notifier://", "or set bus.url"),
        ("influx://host", "say db="),
        ("no url", "a publisher is a URL"),
    ],
)
def test_a_wrong_url_is_explained_without_its_secrets(url: str, said: str) -> None:
    with pytest.raises(InvalidPublisher, match=said) as raised:
        configured(settings(url))

    assert "s3cret" not in str(raised.value)
    assert doctor_publishers.examine(settings(url), NOW)[0].level == "problem"


def test_two_publishers_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidPublisher, match="named twice"):
        configured(settings("http://a:b@host/", "http://c:d@host/"))


def test_a_publisher_that_fails_is_a_problem_with_advice() -> None:
    failing = replace(
        FINE, batches=3, size=900, oldest=NOW, error="connection refused", failing_since=NOW - MINUTE
    )

    (found,) = doctor_publishers.findings([NAME], [failing], NOW)

    assert found.level == "problem"
    assert found.message == (
        f"{NAME} fails since 2026-11-23 11:59:00 UTC: connection refused; 3 batches of 900 bytes wait"
    )
    assert "tried again by itself" in found.advice


def test_one_that_lags_one_that_refused_and_one_nobody_names_are_warnings() -> None:
    lagging = replace(
        FINE, batches=1, oldest=NOW - timedelta(minutes=6), aside=5, dropped=7, reason="HTTP 400"
    )
    left = replace(FINE, name="udp://gone", batches=2)

    found = doctor_publishers.findings([NAME, "file:///new"], [lagging, left], NOW)

    assert [(one.level, one.message.partition(" ")[2][:39]) for one in found] == [
        ("warning", "is 360 s behind; 1 batches of 0 bytes w"),
        ("warning", "refused 5 samples and events: HTTP 400;"),
        ("warning", "7 samples and events were dropped, wait"),
        ("ok", "idle"),
        ("warning", "is no longer among collector.publishers"),
    ]


def test_what_publishers_are_owed_is_listed_replayed_and_forgotten(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", database_url)
    run = CliRunner().invoke

    listed = run(app, ["publishers", "list", "-f", "csv", "-c", "name", "-c", "batches", "-c", "set_aside"])
    replayed = run(app, ["publishers", "replay", NAME])
    forgotten = run(app, ["publishers", "forget", NAME])
    empty = run(app, ["publishers", "list", "-f", "value"])

    assert listed.output.splitlines()[1] == f"{NAME},1,2"
    assert replayed.output == "1 batches are due again.\n"
    assert forgotten.exit_code == 0
    assert empty.output == ""


def test_a_name_nobody_has_is_an_error_that_names_the_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", database_url)

    result = CliRunner().invoke(app, ["publishers", "replay", "udp://other"])

    assert f"there is no publisher udp://other; there are: {NAME}" in str(result.exception)
