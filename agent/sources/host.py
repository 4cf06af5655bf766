"""This node as its kernel tells it. The only file that imports psutil."""

import socket
from datetime import datetime
from pathlib import Path

import psutil

from agent.errors import SourceUnavailable
from agent.reading import CpuTimes, Disk, HostReading, Interface, Memory, Mount, Swap

NS = 1_000_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BLOCK_DEVICES = Path("/sys/block")
IMAGE_FILE_SYSTEMS = frozenset({"squashfs", "iso9660", "erofs", "udf"})
NOT_DISKS = ("loop", "ram")  # files and memory that look like disks: their traffic is counted below them


class Host:
    """Processors, memory, disks' and interfaces' traffic of this node: nothing here waits for a disk."""

    name = "host"

    def __init__(self, node: str) -> None:
        self._node = node

    def read(self, _now: datetime) -> HostReading:
        """Everything at once; raises SourceUnavailable when the kernel does not tell."""
        try:
            return HostReading(
                node=self._node,
                boot_id=boot_id(),
                processors=psutil.cpu_count() or 1,
                cpu=_cpu(),
                load=psutil.getloadavg(),
                memory=_memory(),
                swap=_swap(),
                disks=_disks(),
                interfaces=_interfaces(),
            )
        except (OSError, psutil.Error) as error:
            raise SourceUnavailable(f"the kernel's counters cannot be read: {error}") from error


class Mounts:
    """Space on the mounted disks of this node. A source of its own, since a broken disk can block statvfs."""

    name = "mounts"

    def __init__(self, node: str) -> None:
        self._node = node

    def read(self, _now: datetime) -> tuple[Mount, ...]:
        """Every file system on a disk once, at its shortest mount point, and the root; sorted by mount point."""
        found: dict[str, Mount] = {}
        try:
            for part in sorted(psutil.disk_partitions(all=False), key=lambda part: len(part.mountpoint)):
                if part.fstype not in IMAGE_FILE_SYSTEMS:
                    self._add(found, part.mountpoint, part.device, part.fstype)
        except (OSError, psutil.Error) as error:
            raise SourceUnavailable(f"the mounts cannot be read: {error}") from error
        if all(mount.point != "/" for mount in found.values()):
            self._add(found, "/", "", "")  # containers see their root as no disk at all
        return tuple(sorted(found.values(), key=lambda mount: mount.point))

    def _add(self, found: dict[str, Mount], point: str, device: str, kind: str) -> None:
        if device in found:
            return
        try:
            usage = psutil.disk_usage(point)
        except OSError:  # unmounted meanwhile, or not ours to look at
            return
        found[device] = Mount(self._node, point, device, kind, usage.total, usage.used)


def boot_id() -> str:
    """The kernel's name for this boot: counters start again at zero when it changes; raises OSError."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def _cpu() -> CpuTimes:
    times = psutil.cpu_times()
    return CpuTimes(
        user=_ns(times.user),
        nice=_ns(times.nice),
        system=_ns(times.system),
        idle=_ns(times.idle),
        iowait=_ns(times.iowait),
        irq=_ns(times.irq),
        softirq=_ns(times.softirq),
        steal=_ns(times.steal),
    )


def _ns(seconds: float) -> int:
    return round(seconds * NS)


def _memory() -> Memory:
    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.available, memory.buffers, memory.cached)


def _swap() -> Swap:
    swap = psutil.swap_memory()
    return Swap(swap.total, swap.free, swap.sin, swap.sout)


def _disks() -> tuple[Disk, ...]:
    """Whole disks by name. `nowrap` would add this process' memory to the counters, so it is off."""
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    return tuple(
        Disk(
            name=name,
            life=_sequence(name),
            read_requests=counter.read_count,
            read_bytes=counter.read_bytes,
            write_requests=counter.write_count,
            write_bytes=counter.write_bytes,
        )
        for name, counter in sorted(counters.items())
        if not name.startswith(NOT_DISKS) and (BLOCK_DEVICES / name.replace("/", "!")).exists()
    )


def _sequence(disk: str) -> str:
    """The kernel's number of this disk in this boot (Linux 5.15 and later), "" without one."""
    try:
        return (BLOCK_DEVICES / disk.replace("/", "!") / "diskseq").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _interfaces() -> tuple[Interface, ...]:
    numbers = {name: str(number) for number, name in socket.if_nameindex()}
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    return tuple(
        Interface(
            name=name,
            life=numbers.get(name, ""),
            incoming_bytes=counter.bytes_recv,
            incoming_packets=counter.packets_recv,
            incoming_errors=counter.errin,
            incoming_drops=counter.dropin,
            outgoing_bytes=counter.bytes_sent,
            outgoing_packets=counter.packets_sent,
            outgoing_errors=counter.errout,
            outgoing_drops=counter.dropout,
        )
        for name, counter in sorted(counters.items())
    )
