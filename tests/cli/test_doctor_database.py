from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from cli import doctor_database
from cli.finding import Finding
from storage import migrate
from storage.database import Database
from storage.quarantine import Quarantine
from storage.revision import SchemaState
from storage.sample import Refused
from storage.settings import DatabaseSettings
from tests.factories import NOW
from tests.servers import DatabaseServer


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {found.check: found for found in findings}


def test_a_database_with_our_schema_is_ok_on_every_server(database_url: str) -> None:
    settings = DatabaseSettings(url=database_url)
    database = Database(settings)
    migrate.upgrade(database)
    database.dispose()

    findings = doctor_database.examine(settings, datetime.now(UTC))

    assert [(found.check, found.level) for found in findings] == [
        ("database", "ok"),
        ("schema", "ok"),
        ("database clock", "ok"),
        # The servers of tests are started so that they need not wait for a disk; SQLite always waits.
        ("durability", "ok" if database_url.startswith("sqlite") else "warning"),
        ("quarantine", "ok"),
    ]


def test_an_empty_database_needs_an_upgrade(database_url: str) -> None:
    settings = DatabaseSettings(url=database_url)
    database = Database(settings)
    database.ping()  # creates the file
    database.dispose()

    found = by_check(doctor_database.examine(settings, datetime.now(UTC)))

    assert found["schema"] == Finding(
        "schema", "problem", "the database is empty", "run `nephometer db upgrade`"
    )


def test_refused_messages_are_told_with_the_newest_reason(database_url: str) -> None:
    settings = DatabaseSettings(url=database_url)
    database = Database(settings)
    migrate.upgrade(database)
    Quarantine(database).keep([Refused("volume is no number", b"{}", "notifications", NOW)])
    database.dispose()

    found = by_check(doctor_database.examine(settings, datetime.now(UTC)))

    assert found["quarantine"].level == "warning"
    assert "notifications: volume is no number" in found["quarantine"].message
    assert "`nephometer quarantine list`" in found["quarantine"].advice


def test_a_file_that_does_not_exist_is_not_created_by_looking(tmp_path: Path) -> None:
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path / 'new' / 'nephometer.db'}")

    [found] = doctor_database.examine(settings, NOW)

    assert (found.check, found.level, found.advice) == ("database", "problem", "run `nephometer db upgrade`")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://user:secret@127.0.0.1:1/db", "mysql+pymysql://user:secret@127.0.0.1:1/db"]
)
def test_a_server_that_is_away_is_one_problem_told_without_its_password(url: str) -> None:
    [found] = doctor_database.examine(DatabaseSettings(url=url, timeout_s=2), NOW)

    assert (found.check, found.level) == ("database", "problem")
    assert "secret" not in found.message
    assert "127.0.0.1" in found.message


@pytest.mark.parametrize("url", ["sqlite://host/db", "postgresql+psycopg://host:port/db"])
def test_an_address_no_database_can_have_is_a_problem(url: str) -> None:
    [found] = doctor_database.examine(DatabaseSettings(url=url), NOW)

    assert (found.level, found.advice) == ("problem", "correct database.url")


def test_a_schema_of_another_version_is_a_problem() -> None:
    found = doctor_database.schema(SchemaState("0001", "0002"))

    assert (found.level, found.message) == ("problem", "at 0001, this version needs 0002")


@pytest.mark.parametrize(
    ("apart", "level"),
    [
        (timedelta(seconds=2), "ok"),
        (timedelta(seconds=-30), "warning"),
        (timedelta(hours=1), "problem"),
    ],
)
def test_a_server_whose_clock_is_off_is_told(apart: timedelta, level: str) -> None:
    assert doctor_database.server_clock(NOW + apart, NOW).level == level


def test_a_server_that_may_lose_commits_is_told_with_the_settings_to_change(
    postgresql: DatabaseServer,
) -> None:
    url = postgresql.create_database()
    database = Database(DatabaseSettings(url=url))
    name = make_url(url).database
    database.alone(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database.dispose()  # new sessions obey

    found = by_check(doctor_database.examine(DatabaseSettings(url=url), NOW))["durability"]

    assert found.level == "warning"
    assert "synchronous_commit = off" in found.message
    assert "set synchronous_commit = on" in found.advice


def test_a_server_with_lasting_commits_is_ok() -> None:
    assert doctor_database.durability([]).level == "ok"


def test_a_password_among_the_parameters_of_the_address_is_not_shown(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://u@/x?host={tmp_path}&password=hunter2"

    [found] = doctor_database.examine(DatabaseSettings(url=url), NOW)

    assert "password=***" in found.message
    assert "hunter2" not in found.message
