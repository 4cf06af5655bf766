from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node
from agent.reading import CpuTimes, HostReading
from storage.sample import Sample


class HostCpu:
    """hardware.cpu.util (%) and compute.node.cpu.*.time (cumulative, ns) of all processors together.

    The utilisation covers the time since this pollster's last poll, so the first poll has none.
    Waiting for disks counts as idle. Source: /proc/stat.
    """

    name = "host_cpu"
    interval: timedelta | None = None

    def __init__(self) -> None:
        self._before: CpuTimes | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """Utilisation, then the times."""
        cpu, subject = reading.cpu, node(reading, now)
        yield from subject.gauges(("hardware.cpu.util", "%", utilisation(self._before, cpu)))
        self._before = cpu
        yield from subject.counters(
            ("compute.node.cpu.user.time", "ns", cpu.user),
            ("compute.node.cpu.nice.time", "ns", cpu.nice),
            ("compute.node.cpu.kernel.time", "ns", cpu.system),
            ("compute.node.cpu.idle.time", "ns", cpu.idle),
            ("compute.node.cpu.iowait.time", "ns", cpu.iowait),
            ("compute.node.cpu.irq.time", "ns", cpu.irq),
            ("compute.node.cpu.softirq.time", "ns", cpu.softirq),
            ("compute.node.cpu.steal.time", "ns", cpu.steal),
        )


def utilisation(before: CpuTimes | None, after: CpuTimes) -> float | None:
    """Busy share of the time between two readings, 0 to 100; None without time between them.

    The kernel's idle and iowait counters can go back a little (proc(5)), hence the bounds.
    """
    if before is None or after.total <= before.total:
        return None
    share = (after.busy - before.busy) / (after.total - before.total)
    return 100.0 * min(max(share, 0.0), 1.0)
