from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.instance import Instance
from agent.pollsters.subject import guest
from storage.sample import Sample


class InstanceFlavor:
    """disk.root.size, disk.ephemeral.size: disk space the flavour grants (gauge, GiB).

    Nova writes the root disk alone into `<nova:disk>`, so nothing is subtracted here.
    Source: Nova's metadata in the domain's definition; absent without it.
    """

    name = "instance_flavor"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """Both sizes per instance with a known flavour."""
        for instance in instances:
            flavor = instance.description.flavor
            if flavor is not None:
                yield from guest(instance, now).gauges(
                    ("disk.root.size", "GiB", flavor.disk),
                    ("disk.ephemeral.size", "GiB", flavor.ephemeral),
                )
