import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import notify


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket on which systemd would listen, by both kinds of address."""
    name = str(tmp_path / "n") if request.param == "path" else f"@{tmp_path}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        listening.bind(name.replace("@", "\0"))
        yield listening


def test_systemd_hears_each_state(systemd: socket.socket) -> None:
    notify.ready()
    notify.watchdog()
    notify.stopping()

    assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "not/absolute", "/does/not/exist"])
def test_nothing_happens_without_systemd(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    notify.ready()
