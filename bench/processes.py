"""Programs of the bench that are processes of their own, and how they are asked over HTTP."""

import http.client
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from bench.rows import WrongAnswer
from tests.end_to_end.program import COMMAND, environment
from tests.servers import Process, free_port

ROOT = Path(__file__).parent.parent


class Asked:
    """A keep-alive connection to an HTTP server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        """The body of the answer; raises WrongAnswer for any status but 200."""
        self._connection.request("GET", f"{path}?{urlencode(parameters)}" if parameters else path)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise WrongAnswer(f"{path}: {response.status} {body[:300]!r}")
        return body

    def close(self) -> None:
        self._connection.close()


class Service:
    """A process that listens on a port of ours."""

    def __init__(self, process: Process, port: int) -> None:
        self._process, self.port = process, port
        process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def asked(self) -> Asked:
        return Asked(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.stop()


def nephometer(role: str, folder: Path, port_key: str, settings: Mapping[str, str]) -> Service:
    """A role of the program, with its HTTP port set by this key."""
    port = free_port()
    variables = environment(folder, {"log.level": "warning", **settings, port_key: str(port)})
    return Service(Process([COMMAND, role], _listens(port), folder, environment=variables), port)


def peer(module: str, folder: Path, *arguments: str) -> Service:
    """A module of `bench.peers` that takes its port as the last argument."""
    port = free_port()
    variables = {**environment(folder, {}), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"bench.peers.{module}", *arguments, str(port)]
    return Service(Process(command, _listens(port), folder, environment=variables), port)


def _listens(port: int) -> Callable[[], bool]:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return listens
