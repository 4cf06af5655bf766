"""This very machine, through psutil."""

from pathlib import Path

import psutil
import pytest

from agent.errors import SourceUnavailable
from agent.sources import host
from agent.sources.host import Host, Mounts
from tests.agent.pretend import NOW


def test_this_machine_can_be_read() -> None:
    reading = Host("cmp01").read(NOW)

    assert reading.node == "cmp01"
    assert len(reading.boot_id) == 36
    assert reading.processors >= 1
    assert reading.cpu.total > reading.cpu.busy > 0
    assert 0 < reading.memory.available <= reading.memory.total
    assert "lo" in {interface.name for interface in reading.interfaces}
    assert len({interface.life for interface in reading.interfaces}) == len(reading.interfaces)


def test_every_whole_disk_is_read_and_no_partition() -> None:
    disks = {disk.name for disk in Host("cmp01").read(NOW).disks}

    assert disks <= {path.name for path in Path("/sys/block").iterdir()}
    assert not any(name.startswith(("loop", "ram")) for name in disks)


def test_counters_never_go_back_and_are_whole_numbers() -> None:
    first, second = Host("cmp01").read(NOW), Host("cmp01").read(NOW)

    assert second.cpu.user >= first.cpu.user
    assert type(second.cpu.user) is int
    before = {interface.name: interface.incoming_bytes for interface in first.interfaces}
    assert all(interface.incoming_bytes >= before[interface.name] for interface in second.interfaces)


def test_processor_time_is_what_the_kernel_says_to_the_tick() -> None:
    before = int(Path("/proc/stat").read_text().split()[1])
    user_ns = Host("cmp01").read(NOW).cpu.user
    after = int(Path("/proc/stat").read_text().split()[1])

    assert before * 10_000_000 <= user_ns <= after * 10_000_000
    assert user_ns % 10_000_000 == 0


def test_the_root_is_always_among_the_mounts_and_no_device_twice() -> None:
    mounts = Mounts("cmp01").read(NOW)

    assert "/" in {mount.point for mount in mounts}
    assert len({mount.device for mount in mounts}) == len(mounts)
    assert all(0 < mount.used <= mount.total for mount in mounts)


def test_a_mount_that_cannot_be_looked_at_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> object:
        raise PermissionError(path)

    monkeypatch.setattr(psutil, "disk_usage", refuse)

    assert Mounts("cmp01").read(NOW) == ()


def test_a_kernel_that_tells_nothing_is_a_source_that_is_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "BOOT_ID", tmp_path / "missing")

    with pytest.raises(SourceUnavailable, match="missing"):
        Host("cmp01").read(NOW)


def test_a_counter_that_began_again_is_not_mended_by_what_this_process_remembers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = iter([(100,) * 8, (7,) * 8])
    # Where psutil gets the kernel's numbers.
    monkeypatch.setattr("psutil._psplatform.net_io_counters", lambda: {"eth9": next(values)})

    first, second = (Host("cmp01").read(NOW).interfaces[0] for _ in range(2))

    assert (first.incoming_bytes, second.incoming_bytes) == (100, 7)
