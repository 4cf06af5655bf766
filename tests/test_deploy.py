"""What is shipped to run the program fits the program."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from cli.example import example
from cli.layers import from_mapping
from cli.main import MOUNTED
from cli.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/nephometer/bin/nephometer"
ROLES = {mounted.name for mounted in MOUNTED if mounted.is_role}
COMMANDS = {mounted.name for mounted in MOUNTED}


def compose() -> dict[str, dict[str, dict[str, object]]]:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(document, dict)
    return document


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.strip().partition(" ")
            yield name, " ".join(rest.split())


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_the_example_shows_every_setting_as_it_is() -> None:
    """When this fails: nephometer config example > deploy/nephometer.toml.example."""
    assert (DEPLOY / "nephometer.toml.example").read_text() == example()


def test_the_example_names_the_values_there_are() -> None:
    text = " ".join((DEPLOY / "nephometer.toml.example").read_text().replace("\n#", "").split())

    for key, values in {
        "store_raw = []": ("audit", "info", "warn", "error", "critical"),
        'queue_type = "quorum"': ("quorum", "classic"),
        'level = "info"': ("debug", "info", "warning", "error"),
    }.items():
        said = text[text.index(key) - 200 : text.index(key)]
        assert [value for value in values if value not in said] == [], key


def test_every_line_of_the_example_can_be_used() -> None:
    text = re.sub(r"(?m)^#(?! |$)", "", (DEPLOY / "nephometer.toml.example").read_text())

    tables = tomllib.loads(text)

    from_mapping(Settings, tables, "the example")
    assert tables.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type)
        assert tables[name].keys() == field.annotation.model_fields.keys(), name


def test_the_example_says_what_holds_anyway() -> None:
    text = re.sub(r'(?m)^#(?! |\[|.* = ""$)', "", (DEPLOY / "nephometer.toml.example").read_text())
    tables = tomllib.loads(text)
    tables["auth"].pop("roles")  # of an entry of auth.tokens, whose head stays a comment

    assert Settings.model_validate(tables) == Settings()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze") or missing(
        "systemd-analyze is not installed: apt-get install systemd"
    )
    program = tmp_path / "nephometer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(PROGRAM, str(program)))

    done = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_there_is_a_unit_for_every_role_that_runs_alone() -> None:
    assert {unit.stem for unit in UNITS} == {f"nephometer-{role}" for role in ROLES - {"up"}}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_its_role_watched_and_without_privileges(unit: Path) -> None:
    lines = unit.read_text().splitlines()

    assert f"ExecStart={PROGRAM} {unit.stem.removeprefix('nephometer-')}" in lines
    for needed in ("Type=notify", "User=nephometer", "NoNewPrivileges=yes", "StateDirectory=nephometer"):
        assert needed in lines
    assert any(line.startswith("WatchdogSec=") for line in lines)


def test_every_service_of_compose_runs_a_command_of_ours() -> None:
    ours = {
        name: service for name, service in compose()["services"].items() if service["image"] == "nephometer"
    }

    assert ours.keys() >= ROLES - {"up"}
    for name, service in ours.items():
        command = service["command"]
        assert isinstance(command, list)
        assert command[0] in COMMANDS
        assert name == command[0] or name == "upgrade"


def test_compose_waits_for_the_schema_and_checks_health() -> None:
    services = compose()["services"]

    for name in ROLES - {"up"}:
        assert services[name]["depends_on"] == {
            "upgrade": {"condition": "service_completed_successfully"},
            "rabbitmq": {"condition": "service_healthy"},
        }
        assert "healthcheck" not in services[name], "the image has one"
    for name in ("postgresql", "rabbitmq"):
        assert "test" in str(services[name]["healthcheck"])


def test_settings_of_compose_are_settings_of_ours() -> None:
    for service in compose()["services"].values():
        environment = service.get("environment", {})
        assert isinstance(environment, dict)
        for name in environment:
            if name.startswith("NEPHOMETER_"):
                section, key = name.removeprefix("NEPHOMETER_").lower().split("__")
                from_mapping(Settings, {section: {key: "any"}}, name)


def copied() -> list[str]:
    """What the image takes from the checkout."""
    return [
        source
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    seen = [line.removeprefix("!") for line in ignored if line.startswith("!")]

    assert copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    assert [source for source in copied() if not any(fnmatch(source, pattern) for pattern in seen)] == []


def test_the_image_has_no_root_and_says_how_it_is() -> None:
    stage: list[tuple[str, str]] = []
    for instruction in instructions():
        stage = [instruction] if instruction[0] == "FROM" else [*stage, instruction]

    assert [rest for name, rest in stage if name == "USER"] == ["8777"]
    assert {"HEALTHCHECK", "ENTRYPOINT"} <= {name for name, _ in stage}
