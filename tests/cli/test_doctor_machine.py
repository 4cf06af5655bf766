import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli import doctor_machine
from cli.doctor_machine import Room
from tests.factories import NOW

GIB = 2**30


@pytest.mark.parametrize(
    ("is_synchronised", "hardware", "level"),
    [
        (True, None, "ok"),
        (True, NOW + timedelta(hours=14), "ok"),
        (True, NOW - timedelta(days=400), "warning"),
        (False, NOW, "warning"),
        (None, NOW, "warning"),
    ],
)
def test_the_clock_is_judged_by_what_could_be_read(
    is_synchronised: bool | None, hardware: datetime | None, level: str
) -> None:
    [finding] = doctor_machine.clock(NOW, is_synchronised, hardware)

    assert finding.level == level
    assert bool(finding.advice) == (level != "ok")


def test_a_clock_before_this_program_existed_is_a_problem() -> None:
    [finding] = doctor_machine.clock(datetime(1970, 1, 1, tzinfo=UTC), is_synchronised=True, hardware=None)

    assert finding.level == "problem"


@pytest.mark.parametrize(
    ("room", "level"),
    [
        (Room(Path("/s"), 100 * GIB, 50 * GIB, is_writable=True), "ok"),
        (Room(Path("/s"), 10 * GIB, 1 * GIB, is_writable=True), "ok"),
        (Room(Path("/s"), 100 * GIB, 1 * GIB, is_writable=True), "warning"),
        (Room(Path("/s"), 100 * GIB, 99 * 2**20, is_writable=True), "problem"),
        (Room(Path("/s"), 100 * GIB, 50 * GIB, is_writable=False), "problem"),
    ],
)
def test_the_disk_is_judged_by_its_room_and_rights(room: Room, level: str) -> None:
    finding = doctor_machine.disk(room)

    assert finding.level == level
    assert bool(finding.advice) == (level != "ok")


def test_a_folder_that_does_not_exist_yet_has_the_room_of_its_parent(tmp_path: Path) -> None:
    room = doctor_machine.room(tmp_path / "state" / "nephometer")

    assert room.total_bytes == doctor_machine.room(tmp_path).total_bytes
    assert room.is_writable
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="utf-8")

    assert not doctor_machine.room(tmp_path / "state" / "nephometer").is_writable


def test_the_kernel_tells_whether_the_clock_is_synchronised() -> None:
    assert doctor_machine.is_synchronised() in (True, False)


def test_the_hardware_clock_is_read_where_there_is_one() -> None:
    assert (doctor_machine.hardware_time() is not None) == os.access(doctor_machine.RTC, os.R_OK)
