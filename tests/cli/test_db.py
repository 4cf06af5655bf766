import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import db
from storage.errors import DatabaseUnavailable
from tests.cli.conftest import Nephometer


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def failing(times: int) -> Callable[[], list[str]]:
    """Work that finds the database away so many times before it succeeds."""
    failures = iter([None] * times)

    def work() -> list[str]:
        for _ in failures:
            raise DatabaseUnavailable("connection refused")
        return ["0001"]

    return work


def test_an_upgrade_creates_the_schema_and_then_has_nothing_to_do(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", database_url)

    first, second, checked = (
        nephometer("db", "upgrade"),
        nephometer("db", "upgrade"),
        nephometer("db", "check"),
    )

    assert [first.code, second.code, checked.code] == [0, 0, 0]
    steps = "0001 house, 0002 tiles, 0003 hour partitions, 0007 lifecycle, 0004 events"
    assert f"(applied, each after what it needs: {steps}" in first.out
    assert "(nothing to do)" in second.out
    assert "as this version needs it" in checked.out


def test_a_missing_schema_fails_the_check(nephometer: Nephometer) -> None:
    ended = nephometer("db", "check")

    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "run `nephometer db upgrade`" in ended.err


def test_an_empty_schema_fails_the_check(nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "sqlite:///:memory:")

    ended = nephometer("db", "check")

    assert ended.code == 1
    assert "the schema is empty" in ended.err


def test_a_database_that_stays_away_is_told_without_its_password(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "postgresql+psycopg://user:secret@127.0.0.1:1/db")

    ended = nephometer("db", "upgrade", "--wait", "0")

    assert (ended.code, ended.out) == (1, "")
    assert "secret" not in ended.err
    assert ended.err.splitlines()[-1].startswith("nephometer: ")


def test_an_unknown_database_is_told_in_one_line_with_those_there_are(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "postgresql://nephometer:hidden@host/db")

    ended = nephometer("db", "check")

    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "NEPHOMETER_DATABASE__URL is wrong: must begin with sqlite://, postgresql+psycopg://" in ended.err
    assert "hidden" not in ended.err


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "sqlite:////dev/null/nephometer.db")

    ended = nephometer("db", "upgrade")

    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("nephometer: cannot create /dev/null")


def test_an_upgrade_waits_for_a_database_that_comes_back_and_says_so_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()

    applied = db.patiently(failing(times=3), 30, clock=clock, sleep=clock.sleep)

    assert applied == ["0001"]
    assert capsys.readouterr().err.count("does not answer") == 1


def test_an_upgrade_does_not_wait_for_what_is_no_database(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("these are no pages of SQLite\n" * 100)
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", f"sqlite:///{tmp_path}/notes")
    begun = time.monotonic()

    ended = nephometer("db", "upgrade")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[1:] == ["nephometer: file is not a database"]
    assert time.monotonic() - begun < 10


def test_an_upgrade_does_not_wait_longer_than_it_was_told() -> None:
    clock = Clock()

    with pytest.raises(DatabaseUnavailable):
        db.patiently(failing(times=1000), 5, clock=clock, sleep=clock.sleep)

    assert clock.now == 5


@pytest.mark.parametrize("dialect", db.Dialect)
def test_the_sql_of_the_schema_is_printed_for_every_database(nephometer: Nephometer, dialect: str) -> None:
    ended = nephometer("db", "offline-sql", "--dialect", dialect)

    assert ended.code == 0
    assert "CREATE TABLE alarm" in ended.out


def test_the_sql_is_for_the_database_of_the_settings(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "postgresql+psycopg://user@127.0.0.1:1/db")

    assert (
        nephometer("db", "offline-sql").out == nephometer("db", "offline-sql", "--dialect", "postgresql").out
    )
