"""The wheel, installed in an environment of its own, away from the checkout."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.end_to_end.program import Api, Program, eventually, run

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
    building = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *building], check=True, timeout=120)
    (built,) = folder.glob("nephometer-*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`nephometer` of a new environment that holds the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
    (site,) = (folder / "lib").glob("python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{dependencies()}\n")
    return folder / "bin/nephometer"


def dependencies() -> Path:
    """Where this environment keeps what is installed."""
    return Path(pytest.__file__).parents[1]


def test_the_wheel_carries_migrations_definitions_and_pages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert "storage/migrations/env.py" in names
    assert any(name.startswith("storage/migrations/versions/0001") for name in names)
    assert "collector/definitions/nova.yaml" in names
    assert any(name.startswith("api/static/") and name.endswith(".js") for name in names)
    assert not any(name.startswith(("tests/", "alembic/")) for name in names)


def test_the_installed_wheel_runs_without_the_checkout(command: Path, folder: Path, port: int) -> None:
    settings = {"api.port": str(port), "agent.interval": "1"}
    origin = [str(command.parent / "python"), "-c", "import storage; print(storage.__file__)"]
    found = subprocess.run(origin, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(command.parents[1]))

    applied = run(folder, settings, "db", "upgrade", command=command)
    with Program("up", folder, settings, command=command):
        api = Api(f"http://127.0.0.1:{port}")
        eventually(lambda: api.status("/readyz") == 200, "ready")
        eventually(lambda: bool(api.get("/v2/samples", limit="1")), "a sample")

    assert "0001" in applied
