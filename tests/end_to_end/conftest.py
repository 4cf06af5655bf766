import socket
from pathlib import Path

import pytest


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working folder of the programs of a test."""
    return tmp_path
