from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.instance import Balloon, Instance
from agent.pollsters.subject import guest
from storage.sample import Sample

KIB_PER_MIB = 1024


class InstanceMemory:
    """memory and memory.*: what a guest was given, what it uses, what it costs the node (MiB).

    Use, available memory and swap come from the balloon driver inside the guest; without it they are
    absent. Resident memory is the QEMU process' and may exceed the guest's. `memory` is whole MiB, as in
    Nova's notifications. Source: libvirt's bulk statistics, group BALLOON.
    """

    name = "instance_memory"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """Sizes, then swap traffic where both directions are known, per instance."""
        for instance in instances:
            subject, balloon = guest(instance, now), instance.stats.balloon
            given = balloon.current
            yield from subject.gauges(
                ("memory", "MiB", None if given is None else round(given / KIB_PER_MIB)),
                ("memory.available", "MiB", _mib(balloon.available)),
                ("memory.usage", "MiB", _mib(used_kib(balloon))),
                ("memory.resident", "MiB", _mib(balloon.rss)),
            )
            if balloon.swap_in is not None and balloon.swap_out is not None:
                yield from subject.counters(
                    ("memory.swap.in", "MiB", _mib(balloon.swap_in)),
                    ("memory.swap.out", "MiB", _mib(balloon.swap_out)),
                )


def used_kib(balloon: Balloon) -> int | None:
    """Memory the guest cannot give away, in KiB: available without usable, else without unused."""
    free = balloon.usable if balloon.usable is not None else balloon.unused
    if balloon.available is None or free is None:
        return None
    return balloon.available - free


def _mib(kib: int | None) -> float | None:
    return None if kib is None else kib / KIB_PER_MIB
