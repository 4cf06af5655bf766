from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node
from agent.reading import HostReading
from storage.sample import Sample

KB = 1024  # the classic SNMP meters say KB and mean 1024 bytes


class HostMemory:
    """hardware.memory.*: main memory of the node (gauge, KB of 1024 bytes).

    `used` is what programs cannot get back: total without `available`. Source: /proc/meminfo.
    """

    name = "host_memory"
    interval: timedelta | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """Total, used, available, buffers and cache."""
        memory = reading.memory
        yield from node(reading, now).gauges(
            ("hardware.memory.total", "KB", memory.total // KB),
            ("hardware.memory.used", "KB", (memory.total - memory.available) // KB),
            ("hardware.memory.available", "KB", memory.available // KB),
            ("hardware.memory.buffer", "KB", memory.buffers // KB),
            ("hardware.memory.cached", "KB", memory.cached // KB),
        )
