import fcntl
import threading
from pathlib import Path

import pytest

from agent.errors import SourceUnavailable
from agent.instance import DomainStats
from agent.sources.hypervisor import Connection, Row
from cli import doctor_agent


class Libvirt:
    """A libvirt with as many guests as it is told."""

    def __init__(self, guests: int) -> None:
        self.guests = guests
        self.is_closed = False

    def statistics(self, *, unblockable: bool = False) -> list[Row]:
        stats = DomainStats(state=1)
        return [Row(f"uuid-{number}", number, f"instance-{number}", stats) for number in range(self.guests)]

    def definition(self, uuid: str) -> str | None:
        return None

    def take_changed(self) -> set[str]:
        return set()

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True


def test_a_libvirt_that_answers_is_ok_and_let_go() -> None:
    libvirt = Libvirt(guests=3)

    found = doctor_agent.libvirt("qemu:///system", timeout_s=5, connect=lambda _uri: libvirt)

    assert (found.level, found.message) == ("ok", "qemu:///system answers; 3 running instances")
    assert libvirt.is_closed


def test_no_libvirt_is_a_warning_since_not_every_node_has_instances() -> None:
    def connect(_uri: str) -> Connection:
        raise SourceUnavailable("cannot open qemu:///system: no such file")

    found = doctor_agent.libvirt("qemu:///system", timeout_s=5, connect=connect)

    assert (found.level, found.message) == ("warning", "cannot open qemu:///system: no such file")


def test_a_libvirt_that_hangs_is_a_problem() -> None:
    release = threading.Event()

    def connect(_uri: str) -> Connection:
        release.wait(30)
        raise SourceUnavailable("too late")

    found = doctor_agent.libvirt("qemu:///system", timeout_s=0.05, connect=connect)

    release.set()
    assert (found.level, found.message) == ("problem", "qemu:///system does not answer within 0.05 s")


def test_no_libvirt_wanted_is_ok() -> None:
    assert doctor_agent.libvirt("", timeout_s=5).level == "ok"


def test_a_spool_nobody_used_yet_is_ok(tmp_path: Path) -> None:
    assert doctor_agent.spool(tmp_path / "spool").level == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "lock").touch()
    (tmp_path / "0000000000000001.seg").write_bytes(b"x" * 10)
    return tmp_path


def test_a_spool_in_use_is_ok(spool: Path) -> None:
    with (spool / "lock").open("r+b") as agent:
        fcntl.flock(agent, fcntl.LOCK_EX)

        found = doctor_agent.spool(spool)

    assert (found.level, found.message) == ("ok", f"an agent works with {spool}")


def test_samples_nobody_will_deliver_are_a_warning(spool: Path) -> None:
    found = doctor_agent.spool(spool)

    assert (found.level, found.message) == ("warning", f"10 bytes lie in {spool} and no agent runs")


def test_the_doctor_leaves_the_lock_free(spool: Path) -> None:
    doctor_agent.spool(spool)

    with (spool / "lock").open("r+b") as agent:
        fcntl.flock(agent, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_empty_free_spool_is_ok(spool: Path) -> None:
    next(spool.glob("*.seg")).write_bytes(b"")

    assert doctor_agent.spool(spool).level == "ok"


def test_a_spool_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()

    assert doctor_agent.spool(tmp_path).level == "warning"
