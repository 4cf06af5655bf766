from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node
from agent.reading import HostReading
from storage.sample import Sample

KB = 1024


class HostSwap:
    """hardware.memory.swap.*: size and free space (gauge, KB of 1024 bytes), traffic (cumulative, B).

    A node without swap reports zeros: none is what it has. Source: /proc/meminfo, /proc/vmstat.
    """

    name = "host_swap"
    interval: timedelta | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """Space, then traffic."""
        swap, subject = reading.swap, node(reading, now)
        yield from subject.gauges(
            ("hardware.memory.swap.total", "KB", swap.total // KB),
            ("hardware.memory.swap.avail", "KB", swap.free // KB),
        )
        yield from subject.counters(
            ("hardware.memory.swap.in", "B", swap.moved_in),
            ("hardware.memory.swap.out", "B", swap.moved_out),
        )
