from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node_part
from agent.reading import HostReading
from storage.sample import Sample


class HostDisk:
    """hardware.disk.{read,write}.{bytes,requests}: traffic of every whole disk (cumulative).

    Ceilometer called these gauges although they count since boot; here they say what they are.
    Source: /proc/diskstats.
    """

    name = "host_disk"
    interval: timedelta | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """Four counters per disk."""
        for disk in reading.disks:
            yield from node_part(reading, disk.name, disk.life, now).counters(
                ("hardware.disk.read.bytes", "B", disk.read_bytes),
                ("hardware.disk.read.requests", "requests", disk.read_requests),
                ("hardware.disk.write.bytes", "B", disk.write_bytes),
                ("hardware.disk.write.requests", "requests", disk.write_requests),
            )
