"""Ceilometer's polling.yaml, read as what our pollsters do: which of them run, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InvalidPolling
from collector.errors import InvalidDefinition
from collector.pipelines.files import entries, load, named, once
from collector.pipelines.wildcards import Wildcards

# What each pollster takes that Ceilometer's file may name (tests hold it against the pollsters).
METERS: Mapping[str, tuple[str, ...]] = {
    "host_cpu": ("hardware.cpu.util",),
    "host_load": ("hardware.cpu.load.1min", "hardware.cpu.load.5min", "hardware.cpu.load.15min"),
    "host_memory": (
        "hardware.memory.total",
        "hardware.memory.used",
        "hardware.memory.buffer",
        "hardware.memory.cached",
    ),
    "host_swap": ("hardware.memory.swap.total", "hardware.memory.swap.avail"),
    "host_disk": (
        "hardware.disk.read.bytes",
        "hardware.disk.read.requests",
        "hardware.disk.write.bytes",
        "hardware.disk.write.requests",
    ),
    "host_network": (
        "hardware.network.incoming.bytes",
        "hardware.network.outgoing.bytes",
        "hardware.network.outgoing.errors",
    ),
    "host_mount": ("hardware.disk.size.total", "hardware.disk.size.used"),
    "instance_cpu": ("cpu", "vcpus"),
    "instance_memory": (
        "memory",
        "memory.available",
        "memory.usage",
        "memory.resident",
        "memory.swap.in",
        "memory.swap.out",
    ),
    "instance_disk": (
        "disk.device.read.bytes",
        "disk.device.read.requests",
        "disk.device.read.latency",
        "disk.device.write.bytes",
        "disk.device.write.requests",
        "disk.device.write.latency",
        "disk.device.capacity",
        "disk.device.allocation",
        "disk.device.usage",
    ),
    "instance_network": (
        "network.incoming.bytes",
        "network.incoming.packets",
        "network.incoming.packets.drop",
        "network.incoming.packets.error",
        "network.outgoing.bytes",
        "network.outgoing.packets",
        "network.outgoing.packets.drop",
        "network.outgoing.packets.error",
    ),
    "instance_power": ("power.state",),
    "instance_flavor": ("disk.root.size", "disk.ephemeral.size"),
}
IGNORED = ("resources", "discovery", "group_id_coordination_expression")


@dataclass(frozen=True, slots=True)
class Polling:
    """Seconds between two polls of each pollster the file asks for, those it does not, and what it asks in vain.

    Pollsters of the node itself, which Ceilometer's compute agent did not have, are only among them when it names
    their meters; else they are neither.
    """

    intervals_s: Mapping[str, float]
    disabled: tuple[str, ...]
    remarks: tuple[str, ...]


def read_polling(file: Path) -> Polling:
    """A polling.yaml; raises InvalidPolling naming file, entry and key."""
    try:
        return _read(file)
    except InvalidDefinition as error:
        raise InvalidPolling(str(error)) from error


def _read(file: Path) -> Polling:
    intervals: dict[str, float] = {}
    remarks: list[str] = []
    names: list[str] = []
    for number, entry in enumerate(entries(file, load(file), "sources")):
        place = named(file, "sources", number, entry)
        name, seconds, meters = entry.get("name"), entry.get("interval"), entry.get("meters")
        if not isinstance(name, str):
            raise InvalidDefinition(f"{place}: name: must be a text")
        if type(seconds) is not int or not 1 <= seconds <= 86400:
            raise InvalidDefinition(f"{place}: interval: must be a number of seconds from 1 to 86400")
        if not isinstance(meters, list) or not all(isinstance(meter, str) for meter in meters):
            raise InvalidDefinition(f"{place}: meters: must be a list of names")
        try:
            chosen = Wildcards(meters)
        except ValueError as error:
            raise InvalidDefinition(f"{place}: meters: {error}") from error
        names.append(name)
        remarks += [
            f"{place}: {key} is not looked at: agents find out what there is"
            for key in IGNORED
            if entry.get(key)
        ]
        remarks += [f"{place}: {meter} is not polled here" for meter in meters if _is_strange(meter)]
        for pollster, its in METERS.items():
            if any(meter in chosen for meter in its):
                intervals[pollster] = min(seconds, intervals.get(pollster, seconds))
    once(file, "sources", names)
    unwanted = tuple(one for one in METERS if one not in intervals and not one.startswith("host_"))
    return Polling(intervals, unwanted, tuple(remarks))


def _is_strange(pattern: str) -> bool:
    """Whether a name or wildcard means none of our meters."""
    if pattern.startswith("!") or pattern == "*":
        return False
    chosen = Wildcards([pattern])
    return not any(meter in chosen for its in METERS.values() for meter in its)
