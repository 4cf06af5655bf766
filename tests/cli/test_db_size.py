import json
from datetime import timedelta

import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.cli.conftest import Nephometer
from tests.factories import NOW, series


@pytest.fixture
def store(schema_url: str, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> None:
    """A store of two hours, which the settings name."""
    assert nephometer  # it empties the environment first
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", schema_url)
    database = Database(DatabaseSettings(url=schema_url))
    Samples(database).store(series(121), received_at=NOW + timedelta(hours=3))
    database.dispose()


@pytest.mark.usefixtures("store")
def test_people_see_a_table_and_when_the_disk_is_full(nephometer: Nephometer) -> None:
    ended = nephometer("db", "size", "--free-bytes", "1000000000000")

    assert ended.code == 0
    assert "| layer      | open hours" in ended.out
    assert "| meter      | cpu" in ended.out
    assert "Free: 931.3 GiB." in ended.err
    assert "the disk is full in" in ended.err


@pytest.mark.usefixtures("store")
def test_programs_get_one_object(nephometer: Nephometer, schema_url: str) -> None:
    ended = nephometer("db", "size", "-f", "json")

    found = json.loads(ended.out)
    assert ended.err == ""
    assert found["samples"] == 121
    assert found["oldest"] == "2026-11-23T12:00:00Z"
    assert found["is_estimate"] is schema_url.startswith("mysql")
    assert found["layers"][0]["name"] == "open hours"
    assert [(one["name"], one["unit"], one["samples"]) for one in found["meters"]] == [("cpu", "ns", 121)]


@pytest.mark.usefixtures("store")
def test_columns_are_chosen_as_everywhere(nephometer: Nephometer) -> None:
    rows = nephometer("db", "size", "-f", "csv", "-c", "name", "-c", "samples").out.splitlines()
    whole = nephometer("db", "size", "-f", "json", "-c", "samples").out
    wrong = nephometer("db", "size", "-c", "nothing")

    assert rows[0] == "name,samples"
    assert "cpu,121" in rows
    assert json.loads(whole) == {"samples": 121}
    assert (wrong.code, wrong.out) == (2, "")


def test_a_store_that_is_not_there_is_not_made(nephometer: Nephometer) -> None:
    ended = nephometer("db", "size")

    assert (ended.code, ended.out) == (1, "")
    assert "run `nephometer db upgrade`" in ended.err


def test_a_store_of_little_data_says_what_it_cannot_know(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "sqlite:///:memory:")
    monkeypatch.setattr("cli.db_size.open_existing", with_schema)

    ended = nephometer("db", "size")

    assert ended.code == 0
    assert "Growth is unknown" in ended.err
    assert "--free-bytes" in ended.err


def with_schema(settings: DatabaseSettings) -> Database:
    database = Database(settings)
    upgrade(database)
    return database
