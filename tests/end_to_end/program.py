"""The real program as its users start it: processes with settings from the environment."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

COMMAND = Path(sys.executable).parent / "nephometer"


class Program:
    """One `nephometer ROLE`; a context manager that stops it. `log` is what it wrote on standard error."""

    def __init__(
        self, role: str, folder: Path, settings: Mapping[str, str], *, command: Path = COMMAND
    ) -> None:
        self.name = f"{role}-{len(list(folder.glob('*.log')))}"
        self.log = folder / f"{self.name}.log"
        self.out = folder / f"{self.name}.out"
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self._process = subprocess.Popen(
                [command, role], env=environment(folder, settings), cwd=folder, stdout=out, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()
        if error is not None:
            sys.stderr.write(f"--- {self.name}\n{self.log.read_text()[-4000:]}\n")

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> tuple[int, float]:
        """Sends SIGTERM; returns the exit code and the seconds it took."""
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return code, time.monotonic() - begun

    def kill(self) -> None:
        """SIGKILL: no time to say goodbye."""
        self._process.kill()
        self._process.wait(30)


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """An environment without anything of the caller's; keys of `settings` are `section.key`."""
    variables = {f"NEPHOMETER_{key.upper().replace('.', '__')}": value for key, value in settings.items()}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "STATE_DIRECTORY": str(folder / "state"),
        "PYTHONWARNINGS": "default",
        **variables,
    }


def run(folder: Path, settings: Mapping[str, str], *arguments: str, command: Path = COMMAND) -> str:
    """What one command prints; raises AssertionError with its words when it fails."""
    done = subprocess.run(
        [command, *arguments],
        env=environment(folder, settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"nephometer {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def eventually(holds: Callable[[], bool], what: str, *, within_s: float = 60.0) -> float:
    """Waits until `holds`; returns the seconds it took, raises AssertionError naming `what`."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < within_s, f"not within {within_s} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


class Api:
    """A caller of the API with a token."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self._headers = {"X-Auth-Token": token, "Content-Type": "application/json"}

    def get(self, path: str, **parameters: str | list[str]) -> Any:  # Any: JSON
        answer = self._ask("GET", path, parameters=parameters)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, content: object) -> Any:  # Any: JSON
        answer = self._ask("POST", path, content=json.dumps(content))
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        return answer.json()

    def status(self, path: str) -> int | None:
        """The status of an answer; None when nobody answers."""
        try:
            return self._ask("GET", path).status_code
        except httpx2.TransportError:
            return None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str | list[str]] | None = None,
        content: str | None = None,
    ) -> httpx2.Response:
        with httpx2.Client(base_url=self.url, headers=self._headers, trust_env=False, timeout=30) as client:
            return client.request(method, path, params=parameters, content=content)
