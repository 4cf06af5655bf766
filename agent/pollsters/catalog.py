"""Which pollsters there are, by the source they draw from. A new one is its file and one line here."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from agent.instance import Instance
from agent.pollsters.host_cpu import HostCpu
from agent.pollsters.host_disk import HostDisk
from agent.pollsters.host_load import HostLoad
from agent.pollsters.host_memory import HostMemory
from agent.pollsters.host_mount import HostMount
from agent.pollsters.host_network import HostNetwork
from agent.pollsters.host_swap import HostSwap
from agent.pollsters.instance_cpu import InstanceCpu
from agent.pollsters.instance_disk import InstanceDisk
from agent.pollsters.instance_flavor import InstanceFlavor
from agent.pollsters.instance_memory import InstanceMemory
from agent.pollsters.instance_network import InstanceNetwork
from agent.pollsters.instance_power import InstancePower
from agent.reading import HostReading, Mount
from storage.sample import Sample

Reading_contra = TypeVar("Reading_contra", contravariant=True)


class Pollster(Protocol[Reading_contra]):
    """Turns one reading of its source into samples that all carry `now`.

    `interval` is its own spacing, None for the agent's. It touches nothing but its arguments and itself.
    """

    name: str
    interval: timedelta | None

    def poll(self, reading: Reading_contra, now: datetime, /) -> Iterator[Sample]:
        """The samples of this reading."""
        ...


HOST: tuple[type[Pollster[HostReading]], ...] = (
    HostCpu,
    HostLoad,
    HostMemory,
    HostSwap,
    HostDisk,
    HostNetwork,
)
MOUNTS: tuple[type[Pollster[Sequence[Mount]]], ...] = (HostMount,)
INSTANCES: tuple[type[Pollster[Sequence[Instance]]], ...] = (
    InstanceCpu,
    InstanceMemory,
    InstanceDisk,
    InstanceNetwork,
    InstancePower,
    InstanceFlavor,
)
NAMES: tuple[str, ...] = (
    *(pollster.name for pollster in HOST),
    *(pollster.name for pollster in MOUNTS),
    *(pollster.name for pollster in INSTANCES),
)
