"""The doctor's look at this machine: its clock, and the room on its disk."""

import ctypes
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.finding import Finding

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # this program did not exist before
RTC = Path("/sys/class/rtc/rtc0/since_epoch")
RTC_TOLERANCE = timedelta(hours=25)  # it may run in local time
SYNCHRONISE = "install and start chrony or systemd-timesyncd"

SCARCE_BYTES, SCARCE_SHARE = 2 * 2**30, 0.05
EXHAUSTED_BYTES = 100 * 2**20

# struct timex of adjtimex(2), 64-bit: `status` stands after modes, offset, freq, maxerror and esterror.
TIMEX_BYTES, STATUS_OFFSET, UNSYNCHRONISED = 256, 40, 0x40


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the disk that holds `folder`, in bytes; `is_writable` is for the user of this process."""

    folder: Path
    total_bytes: int
    free_bytes: int
    is_writable: bool


def clock(now: datetime, is_synchronised: bool | None, hardware: datetime | None) -> list[Finding]:
    """Whether this machine's clock can be trusted; None where a fact could not be read."""
    if now < EARLIEST:
        return [Finding("clock", "problem", f"it says {now:%Y-%m-%d}, which is long past", SYNCHRONISE)]
    if hardware is not None and abs(hardware - now) > RTC_TOLERANCE:
        words = f"the hardware clock says {hardware:%Y-%m-%d %H:%M}, the system {now:%Y-%m-%d %H:%M} (UTC)"
        return [
            Finding(
                "clock", "warning", words, "correct the wrong one; `hwclock --systohc` sets the hardware's"
            )
        ]
    if is_synchronised is None:
        return [
            Finding("clock", "warning", "it cannot be told whether the clock is synchronised", SYNCHRONISE)
        ]
    if not is_synchronised:
        words = "it is not synchronised; samples more than 5 minutes in the future are refused"
        return [Finding("clock", "warning", words, SYNCHRONISE)]
    return [Finding("clock", "ok", "synchronised")]


def disk(room: Room) -> Finding:
    """Whether the disk of a folder has room and may be written."""
    free = f"{room.free_bytes / 2**30:.1f} GiB free on the disk of {room.folder}"
    if not room.is_writable:
        return Finding("disk", "problem", f"{room.folder} cannot be written", "give the folder to this user")
    if room.free_bytes < EXHAUSTED_BYTES:
        return Finding("disk", "problem", free, "make room, or set STATE_DIRECTORY to a larger disk")
    if room.free_bytes < min(SCARCE_BYTES, SCARCE_SHARE * room.total_bytes):
        return Finding("disk", "warning", free, "make room before it runs out")
    return Finding("disk", "ok", free)


def room(folder: Path) -> Room:
    """Room for a folder, which may not exist yet: then that of its nearest parent."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return Room(folder, usage.total, usage.free, os.access(existing, os.W_OK | os.X_OK))


def is_synchronised() -> bool | None:
    """Whether the kernel says that a time service disciplines the clock; None when it cannot be asked.

    Source: adjtimex(2), status bit STA_UNSYNC; chrony, ntpd and systemd-timesyncd all clear it.
    """
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)  # all zero: modes 0 only reads
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
            return None
    except (AttributeError, OSError):
        return None
    status = ctypes.c_int.from_buffer(buffer, STATUS_OFFSET).value
    return not status & UNSYNCHRONISED


def hardware_time() -> datetime | None:
    """The time of the machine's hardware clock; None where there is none."""
    try:
        return datetime.fromtimestamp(int(RTC.read_text(encoding="ascii")), UTC)
    except (OSError, ValueError):
        return None
