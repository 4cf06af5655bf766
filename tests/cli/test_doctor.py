import json
from pathlib import Path

import pytest

from cli import doctor
from cli.finding import Finding
from tests.cli.conftest import Nephometer


@pytest.fixture(autouse=True)
def _without_libvirt(nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "nephometer.toml"
    file.write_text('[agent]\nlibvirt_uri = ""\n', encoding="utf-8")
    monkeypatch.setenv("NEPHOMETER_CONFIG", str(file))


def test_a_machine_in_order_ends_with_success(nephometer: Nephometer) -> None:
    nephometer("db", "upgrade")

    ended = nephometer("doctor", "-f", "json")

    levels = {found["check"]: found["level"] for found in json.loads(ended.out)}
    assert ended.code == 0
    assert levels.keys() == {
        "settings", "database", "schema", "database clock", "durability", "quarantine",
        "broker", "libvirt", "spool", "clock", "disk",
    }  # fmt: skip
    assert levels["schema"] == "ok"


def test_a_problem_ends_with_failure_and_says_what_to_do(nephometer: Nephometer, tmp_path: Path) -> None:
    ended = nephometer("doctor")

    assert ended.code == 1
    assert "run `nephometer db upgrade`" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["nephometer.toml"]


def test_the_disks_of_database_and_spool_are_looked_at_where_they_are_not_the_state_folders(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", f"sqlite:///{tmp_path}/data/nephometer.db")
    monkeypatch.setenv("NEPHOMETER_AGENT__SPOOL_DIR", str(tmp_path / "state" / "mine"))

    ended = nephometer("doctor", "-f", "value", "-c", "check", "-c", "message")

    disks = [line.rpartition(" ")[2] for line in ended.out.splitlines() if line.startswith("disk ")]
    assert disks == [str(tmp_path / "state"), str(tmp_path / "data")]


def test_chosen_columns_suit_a_script(nephometer: Nephometer) -> None:
    ended = nephometer("doctor", "-f", "value", "-c", "level", "-c", "check")

    assert "problem database" in ended.out.splitlines()


def test_warnings_alone_are_no_failure() -> None:
    assert not doctor.has_problem([Finding("clock", "warning", "…"), Finding("disk", "ok", "…")])
