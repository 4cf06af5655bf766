from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agent.instance import BlockDevice, DiskPart, Instance
from agent.pollsters.subject import Subject, guest
from storage.sample import Sample


class InstanceDisk:
    """disk.device.*: traffic, waiting time and size of every disk of a guest.

    The resource is `<instance uuid>-<device>`. Empty drives are left out. The counters live as long as
    the guest and the volume in the slot. Source: libvirt's bulk statistics, group BLOCK.
    """

    name = "instance_disk"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """Counters, then sizes, per disk of each instance."""
        for instance in instances:
            for disk in instance.stats.disks:
                part = instance.description.disks.get(disk.target)
                if part is None or part.has_source:
                    yield from _samples(_subject(instance, disk, part, now), disk)


def _subject(instance: Instance, disk: BlockDevice, part: DiskPart | None, now: datetime) -> Subject:
    serial = part.serial if part else ""
    return replace(
        guest(instance, now),
        resource_id=f"{instance.id}-{disk.target}",
        generation=f"{instance.generation}.{serial}" if serial else instance.generation,
        metadata={**instance.metadata, "disk_name": disk.target},
    )


def _samples(subject: Subject, disk: BlockDevice) -> Iterator[Sample]:
    yield from subject.counters(
        ("disk.device.read.requests", "request", disk.read_requests),
        ("disk.device.read.bytes", "B", disk.read_bytes),
        ("disk.device.read.latency", "ns", disk.read_ns),
        ("disk.device.write.requests", "request", disk.write_requests),
        ("disk.device.write.bytes", "B", disk.write_bytes),
        ("disk.device.write.latency", "ns", disk.write_ns),
    )
    sizes = [size for size in (disk.capacity, disk.physical) if size is not None]
    yield from subject.gauges(
        ("disk.device.capacity", "B", max(sizes, default=None)),
        ("disk.device.allocation", "B", disk.allocation),
        ("disk.device.usage", "B", disk.physical),
    )
