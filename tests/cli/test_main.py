import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from agent.errors import SpoolLocked
from api.errors import CannotListen, StartRefused
from cli.errors import ServerUnreachable, WrongUsage
from cli.main import MOUNTED
from cli.settings import Loaded
from collector.errors import InvalidDefinition
from storage.errors import DatabaseUnavailable
from tests.cli.conftest import Nephometer
from tests.cli.stub_api import StubApi

SERVER_LIBRARIES = ("sqlalchemy", "alembic", "fastapi", "pika", "openstack", "numpy", "libvirt")
SLOW_LIBRARIES = ("pydantic", "structlog", "httpx2", "rich", "yaml")


def imported(statement: str) -> set[str]:
    """The modules a fresh interpreter holds after a statement."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def role(run: object, defaults: Mapping[str, Mapping[str, object]] | None = None) -> ModuleType:
    module = ModuleType("a role")
    module.__dict__["run"] = run
    if defaults is not None:
        module.__dict__["DEFAULTS"] = defaults
    return module


def test_the_command_line_starts_without_any_servers_library() -> None:
    assert not imported("import cli.main").intersection(SERVER_LIBRARIES + SLOW_LIBRARIES)


def test_settings_are_read_without_any_servers_library() -> None:
    assert not imported("import cli.settings").intersection(SERVER_LIBRARIES)


def test_an_agent_runs_without_the_servers_libraries() -> None:
    assert not imported("import cli.agent").intersection(
        {"sqlalchemy", "alembic", "fastapi", "uvicorn", "numpy"}
    )


@pytest.mark.parametrize("module", ["collector", "evaluator"])
def test_only_the_api_server_needs_a_web_framework(module: str) -> None:
    assert not imported(f"import cli.{module}").intersection({"fastapi", "starlette", "uvicorn"})


def test_a_collector_imports_only_what_it_works_with() -> None:
    """Its start is paid again whenever it dies: alembic is for upgrades, web clients are for alarms and publishers."""
    found = imported("""
from cli.main import main
try:
    main(["collector"])
except SystemExit as ended:  # it has no broker
    assert ended.code == 2
""")

    assert not found.intersection({"alembic", "mako", "rich", "pygments", "httpx2", "httpcore2", "psutil"})
    assert not found.intersection({"storage.samples", "agent.pollsters.catalog", "collector.publishers.urls"})
    assert "collector.ceilometer_files" not in found
    assert {"sqlalchemy", "pika"} <= found


@pytest.mark.parametrize("module", ["meters", "samples", "resources", "statistics", "alarms"])
def test_a_verb_of_the_api_needs_neither_settings_nor_servers_libraries(module: str) -> None:
    assert not imported(f"import cli.{module}").intersection((*SERVER_LIBRARIES, "pydantic", "structlog"))


def test_help_names_every_command(nephometer: Nephometer) -> None:
    ended = nephometer("--help")

    assert ended.code == 0
    assert all(f"  {mounted.name} " in ended.out for mounted in MOUNTED)


def test_version_is_told(nephometer: Nephometer) -> None:
    ended = nephometer("--version")

    assert (ended.code, ended.out.split()[0]) == (0, "nephometer")


def test_a_mistyped_command_gets_a_suggestion(nephometer: Nephometer) -> None:
    ended = nephometer("metrs", "list")

    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'meters'" in ended.err


def test_an_unknown_option_is_a_usage_error(nephometer: Nephometer) -> None:
    assert nephometer("meters", "list", "--colour").code == 2


@pytest.mark.parametrize("name", [mounted.name for mounted in MOUNTED if not mounted.is_role])
def test_every_command_has_help(nephometer: Nephometer, name: str) -> None:
    ended = nephometer(name, "--help")

    assert ended.code == 0
    assert ended.out.startswith(f"Usage: nephometer {name} ")


def test_a_role_gets_the_settings_and_ends_with_its_code(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Loaded] = []

    def run(settings: Loaded) -> int:
        given.append(settings)
        return 7

    monkeypatch.setitem(sys.modules, "cli.collector", role(run))

    ended = nephometer("collector")

    assert ended.code == 7
    assert given[0].settings.agent.interval == 300


def test_a_role_may_have_defaults_of_its_own(nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch) -> None:
    intervals: list[float] = []

    def run(settings: Loaded) -> int:
        intervals.append(settings.settings.agent.interval)
        return 0

    monkeypatch.setitem(sys.modules, "cli.up", role(run, {"agent": {"interval": 10}}))

    nephometer("up")

    assert intervals == [10]


@pytest.mark.parametrize("before", [True, False])
def test_the_settings_file_is_named_before_or_after_the_command(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: bool
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[agent]\ninterval = 42\n", encoding="utf-8")
    intervals: list[float] = []

    def run(settings: Loaded) -> int:
        intervals.append(settings.settings.agent.interval)
        return 0

    monkeypatch.setitem(sys.modules, "cli.agent", role(run))
    arguments = ["--config", str(file), "agent"] if before else ["agent", "--config", str(file)]

    nephometer(*arguments)

    assert intervals == [42]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WrongUsage("agent.interval = 'x' from the test is wrong"), 2),
        (ServerUnreachable("no answer from\nnowhere"), 3),
        (StartRefused("auth.mode none is only for loopback"), 2),
        (CannotListen("cannot listen on 127.0.0.1:8777: Address already in use"), 1),
        (DatabaseUnavailable("the database is away"), 1),
        (SpoolLocked("another agent works with the spool"), 1),
        (InvalidDefinition("nova.yaml: no such key"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_expected_end_has_its_own_exit_code_and_at_most_one_line(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def run(_settings: Loaded) -> int:
        raise error

    monkeypatch.setitem(sys.modules, "cli.api", role(run))

    ended = nephometer("api")

    assert ended.code == code
    assert ended.err == (f"nephometer: {' '.join(str(error).split())}\n" if str(error) else "")


def test_a_wrong_setting_is_one_line(nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHOMETER_AGENT__INTERVAL", "soon")
    monkeypatch.setitem(sys.modules, "cli.agent", role(lambda _settings: 0))

    ended = nephometer("agent")

    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "agent.interval" in ended.err
    assert "NEPHOMETER_AGENT__INTERVAL" in ended.err


@pytest.mark.parametrize(
    "command",
    [["db", "upgrade"], ["db", "size"], ["publishers", "list"], ["collector"], ["evaluator"], ["api"]],
    ids=" ".join,
)
def test_a_database_address_that_cannot_work_is_one_line_of_every_command(
    nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", "mysql+pymysql://u:p@127.0.0.1:1/x?ssl_ca=/nope")
    monkeypatch.setenv("NEPHOMETER_BUS__URL", "amqp://guest@127.0.0.1:1/")

    ended = nephometer(*command)

    assert ended.code == 2
    assert "nephometer: database.url cannot be used: [Errno 2]" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


def test_a_reader_that_leaves_early_is_no_error(api: StubApi) -> None:
    api.answer("GET", "/v2/meters", [{"name": f"meter-{number}"} for number in range(50)])
    reading, writing = os.pipe()
    os.close(reading)

    command = [sys.executable, "-c", "from cli.main import main; main()", "meters", "list"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)

    assert done.stderr == ""
    assert done.returncode == 1
