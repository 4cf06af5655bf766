from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.instance import Cpu, Instance
from agent.pollsters.subject import guest
from storage.sample import Sample


class InstanceCpu:
    """cpu: processor time a guest used since it started (cumulative, ns); vcpus: how many it has (gauge).

    Source: libvirt's bulk statistics, groups VCPU and CPU_TOTAL.
    """

    name = "instance_cpu"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """Time, then number of processors, per instance."""
        for instance in instances:
            subject = guest(instance, now)
            yield from subject.counters(("cpu", "ns", guest_time_ns(instance.stats.cpu)))
            yield from subject.gauges(("vcpus", "vcpu", instance.stats.cpu.current))


def guest_time_ns(cpu: Cpu) -> int | None:
    """Processor time as Ceilometer counts it: run and run-queue time of every virtual processor.

    A hypervisor that tells this of no processor gives the time of the whole QEMU process instead. None
    when some processors are missing: going back and forth between the two sums would look like usage.
    """
    known = [time + wait for time, wait in cpu.vcpus if time is not None and wait is not None]
    if not known:
        return cpu.process_ns
    if cpu.current is not None and len(known) < cpu.current:
        return None
    return sum(known)
