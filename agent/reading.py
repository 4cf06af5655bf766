"""What sources tell about this node in one read; every number counts from the boot unless said otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Time spent by all processors together, in ns. `user` holds guests' time too, as the kernel counts it."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int

    @property
    def total(self) -> int:
        """All time, in ns."""
        return self.busy + self.idle + self.iowait

    @property
    def busy(self) -> int:
        """Time in which something ran, in ns."""
        return self.user + self.nice + self.system + self.irq + self.softirq + self.steal


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory now, in bytes; `available` is what programs could get without swapping."""

    total: int
    available: int
    buffers: int
    cached: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Swap space now, and bytes moved in from and out to it."""

    total: int
    free: int
    moved_in: int
    moved_out: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Requests and bytes of one whole disk. `life` changes when another disk takes its name, else it stays."""

    name: str
    life: str
    read_requests: int
    read_bytes: int
    write_requests: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class Interface:
    """Traffic of one interface. `life` changes when the interface is made anew, else it stays."""

    name: str
    life: str
    incoming_bytes: int
    incoming_packets: int
    incoming_errors: int
    incoming_drops: int
    outgoing_bytes: int
    outgoing_packets: int
    outgoing_errors: int
    outgoing_drops: int


@dataclass(frozen=True, slots=True)
class HostReading:
    """One look at this node: its name, the boot it lives in, and its counters. Disks and interfaces by name."""

    node: str
    boot_id: str
    processors: int
    cpu: CpuTimes
    load: tuple[float, float, float]
    memory: Memory
    swap: Swap
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system now, in bytes; `used` does not count what only root may fill."""

    node: str
    point: str
    device: str
    kind: str
    total: int
    used: int
