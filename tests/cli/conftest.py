"""Fixtures of the command line's tests: a way to call it, and a server to call."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from cli.main import main
from tests.cli.stub_api import StubApi


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


class Nephometer:
    """Calls the command in this process, in an environment without settings of ours and a fresh state folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = self._capsys.readouterr()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Ended(ended.value.code or 0, written.out, written.err)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Takes back what a command does to this process's logging: its handler writes to this test's stderr."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def nephometer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Nephometer:
    for name in [name for name in os.environ if name.startswith("NEPHOMETER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return Nephometer(capsys)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> Iterator[StubApi]:
    """A stub API that the command line talks to."""
    with StubApi() as stub:
        monkeypatch.setenv("NEPHOMETER_URL", stub.url)
        yield stub
