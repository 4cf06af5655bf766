"""The house keeps its shape: names that are ours alone, imports that only go down, files one can read."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agent", "api", "cli", "collector", "storage")
DISTRIBUTION = "nephometer"
LINES = 300
# A longer file and why it may be.
LONGER: dict[str, str] = {}
SERVER_LIBRARIES = ("sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn")


def sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py")]


def modules_after(statement: str) -> set[str]:
    """The top-level modules a fresh interpreter has after this statement."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", PACKAGES)
def test_import_name_belongs_to_this_checkout(name: str) -> None:
    spec = importlib.util.find_spec(name)

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)
    owners = importlib.metadata.packages_distributions().get(name, [DISTRIBUTION])
    assert set(owners) == {DISTRIBUTION}


def test_migrations_are_no_package() -> None:
    """With an __init__.py, `import alembic` would find our folder instead of the library."""
    assert not list((ROOT / "alembic").rglob("__init__.py"))


@pytest.mark.parametrize("package", [*PACKAGES, "bench", "tests"])
def test_every_folder_with_code_is_a_package(package: str) -> None:
    folders = {file.parent for file in sources(package)}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_does_nothing_when_it_is_imported(package: str) -> None:
    assert (ROOT / package / "__init__.py").read_text() == ""


def test_a_file_is_short_enough_to_read() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for file in sources(*PACKAGES, "alembic", "bench", "tests")
    }

    longer = {name: length for name, length in lengths.items() if length > LINES}
    assert longer.keys() - LONGER.keys() == set(), longer
    assert LONGER.keys() - longer.keys() == set(), "no longer long: take it out of the list"


def test_imports_only_go_down_the_house() -> None:
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [lint, "--no-logo", "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert done.returncode == 0, done.stdout


def test_the_agent_runs_without_the_servers_libraries() -> None:
    loaded = modules_after("import agent.runner, cli.main, cli.agent")

    assert loaded & set(SERVER_LIBRARIES) == set()


def test_the_front_door_opens_without_any_room() -> None:
    """`nephometer --help` is quick: a role's libraries are loaded when the role is asked for."""
    loaded = modules_after("import cli.main")

    assert loaded & {*SERVER_LIBRARIES, "pika", "psutil", "numpy", "openstack", "pydantic"} == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-build.txt"])
def test_pins_have_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()

    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []
    assert "://" not in text


def test_every_dependency_is_pinned() -> None:
    pinned = {
        canonical(line.partition("==")[0])
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    }

    required = importlib.metadata.requires(DISTRIBUTION) or []
    names = {canonical(wanted) for wanted in required if "extra ==" not in wanted}
    assert names - pinned == set()


def canonical(requirement: str) -> str:
    """The normal form of the name a requirement begins with."""
    name = requirement
    for stop in "[<>=!~; ":
        name = name.partition(stop)[0]
    return name.lower().replace("_", "-").replace(".", "-")
