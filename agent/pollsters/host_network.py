from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.pollsters.subject import node_part
from agent.reading import HostReading
from storage.sample import Sample


class HostNetwork:
    """hardware.network.{incoming,outgoing}.*: traffic of every interface of the node (cumulative).

    Source: /proc/net/dev.
    """

    name = "host_network"
    interval: timedelta | None = None

    def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
        """Eight counters per interface."""
        for interface in reading.interfaces:
            yield from node_part(reading, interface.name, interface.life, now).counters(
                ("hardware.network.incoming.bytes", "B", interface.incoming_bytes),
                ("hardware.network.incoming.packets", "packet", interface.incoming_packets),
                ("hardware.network.incoming.errors", "packet", interface.incoming_errors),
                ("hardware.network.incoming.drops", "packet", interface.incoming_drops),
                ("hardware.network.outgoing.bytes", "B", interface.outgoing_bytes),
                ("hardware.network.outgoing.packets", "packet", interface.outgoing_packets),
                ("hardware.network.outgoing.errors", "packet", interface.outgoing_errors),
                ("hardware.network.outgoing.drops", "packet", interface.outgoing_drops),
            )
