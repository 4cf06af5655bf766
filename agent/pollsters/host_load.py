from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node
from agent.reading import HostReading
from storage.sample import Sample


class HostLoad:
    """hardware.cpu.load.*: processes running or waiting, averaged over 1, 5 and 15 minutes (gauge).

    Source: /proc/loadavg.
    """

    name = "host_load"
    interval: timedelta | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """The three averages."""
        one, five, fifteen = reading.load
        yield from node(reading, now).gauges(
            ("hardware.cpu.load.1min", "process", one),
            ("hardware.cpu.load.5min", "process", five),
            ("hardware.cpu.load.15min", "process", fifteen),
        )
