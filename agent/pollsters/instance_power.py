from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.instance import Instance
from agent.pollsters.subject import guest
from storage.sample import Sample


class InstancePower:
    """power.state: libvirt's number for what a guest does (1 running, 3 paused …; gauge, no unit).

    Source: libvirt's bulk statistics, group STATE.
    """

    name = "instance_power"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """One state per instance."""
        for instance in instances:
            yield from guest(instance, now).gauges(("power.state", "", instance.stats.state))
