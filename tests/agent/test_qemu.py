import os
from pathlib import Path

from agent.sources.qemu import start_ticks
from tests.agent.pretend import DATABASE, WEB

FIELDS = "S 1 1 1 0 -1 4194560 1 0 0 0 10 5 0 0 20 0 4 0 987654 1000 20"


def process(proc: Path, pid: int, words: list[str], stat: str | None) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    if stat is not None:
        (proc / str(pid) / "stat").write_text(stat)


def test_the_start_of_a_guests_process_is_found_by_its_uuid(tmp_path: Path) -> None:
    process(tmp_path, 100, ["qemu-system-x86_64", "-name", "x", "-uuid", WEB.upper()], f"100 (qemu) {FIELDS}")
    process(tmp_path, 101, ["sleep", "9"], f"101 (sleep) {FIELDS}")

    assert start_ticks({WEB, DATABASE}, tmp_path) == {WEB: "987654"}


def test_a_process_name_with_spaces_and_parentheses_shifts_nothing(tmp_path: Path) -> None:
    process(tmp_path, 100, ["q", "-uuid", WEB], f"100 (a) b (c) {FIELDS}")

    assert start_ticks({WEB}, tmp_path) == {WEB: "987654"}


def test_processes_that_end_or_say_little_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "100").mkdir()
    process(tmp_path, 101, ["q", "-uuid"], f"101 (q) {FIELDS}")
    process(tmp_path, 102, ["q", "-uuid", WEB], None)
    process(tmp_path, 103, ["q", "-uuid", DATABASE], "103 (q) S 1")

    assert start_ticks({WEB, DATABASE}, tmp_path) == {}


def test_the_field_is_the_one_the_kernel_means() -> None:
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])

    assert 0 < int(stat[22 - 3]) <= uptime_s * ticks_per_second
