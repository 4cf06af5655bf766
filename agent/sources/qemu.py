"""QEMU's processes on this node, as every user may see them."""

from collections.abc import Collection
from pathlib import Path

PROC = Path("/proc")
START_TICKS = 22  # field of /proc/<pid>/stat, counted from 1: proc(5)


def start_ticks(uuids: Collection[str], proc: Path = PROC) -> dict[str, str]:
    """When the QEMU process of each of these guests started, in clock ticks since boot; unseen ones are absent."""
    found: dict[str, str] = {}
    if not uuids:
        return found
    for process in proc.glob("[0-9]*"):
        uuid = _uuid(process)
        if uuid in uuids:
            found[uuid] = _ticks(process)
    return {uuid: ticks for uuid, ticks in found.items() if ticks}


def _uuid(process: Path) -> str:
    """The guest a process runs, by its `-uuid` argument; "" for any other process."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    if b"-uuid" not in words[:-1]:
        return ""
    return words[words.index(b"-uuid") + 1].decode("ascii", "replace").lower()


def _ticks(process: Path) -> str:
    try:
        fields = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    after_name = fields.rpartition(")")[2].split()  # the name may hold spaces and parentheses
    position = START_TICKS - 3
    return after_name[position] if len(after_name) > position else ""
