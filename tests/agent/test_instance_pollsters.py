"""The traps of libvirt's numbers, on what libvirt 9.0 with QEMU 7.2 really answered."""

import pytest

from agent.instance import Cpu
from agent.pollsters.instance_cpu import InstanceCpu, guest_time_ns
from agent.pollsters.instance_disk import InstanceDisk
from agent.pollsters.instance_flavor import InstanceFlavor
from agent.pollsters.instance_memory import InstanceMemory
from agent.pollsters.instance_network import InstanceNetwork
from agent.pollsters.instance_power import InstancePower
from tests.agent.pretend import (
    DATABASE,
    NOW,
    WEB,
    Stats,
    instances_of,
    make_domain,
    recorded_stats,
    recorded_xml,
    volumes,
)

RUNNING = recorded_stats("running", WEB)
WITH_BALLOON: Stats = RUNNING | {
    "balloon.available": 60000,
    "balloon.usable": 20000,
    "balloon.unused": 10000,
    "balloon.swap_in": 2048,
    "balloon.swap_out": 512,
    "balloon.last-update": 1795435200,
}


def test_processor_time_is_the_run_and_wait_time_of_every_virtual_processor() -> None:
    stats = RUNNING | {"vcpu.0.time": 100, "vcpu.0.wait": 10, "vcpu.1.time": 200, "vcpu.1.wait": 20}

    samples = list(InstanceCpu().poll(instances_of(make_domain(stats)), NOW))

    assert volumes(samples) == {"cpu": 330, "vcpus": 2}
    assert samples[0].metadata["cpu_number"] == 2


def test_processor_time_is_not_that_of_the_qemu_process() -> None:
    samples = volumes(list(InstanceCpu().poll(instances_of(make_domain(RUNNING)), NOW)))

    assert samples["cpu"] == 160_000_000
    assert RUNNING["cpu.time"] == 510_000_000


def test_processor_time_is_that_of_the_process_where_no_wait_times_are_told() -> None:
    assert guest_time_ns(Cpu(process_ns=7, current=2, vcpus=((1, None), (2, None)))) == 7


def test_processor_time_is_unknown_when_a_processor_is_missing() -> None:
    # the process' time instead would be a jump that looks like usage
    assert guest_time_ns(Cpu(process_ns=7, current=2, vcpus=((1, 1), (None, None)))) is None


def test_unplugged_processors_leave_holes_and_not_gaps() -> None:
    assert guest_time_ns(Cpu(process_ns=7, current=1, vcpus=((None, None), (3, 1)))) == 4


def test_memory_use_is_absent_until_the_guest_loads_its_balloon_driver() -> None:
    samples = volumes(list(InstanceMemory().poll(instances_of(make_domain(RUNNING)), NOW)))

    assert samples == {"memory": 64, "memory.resident": 45508 / 1024}


def test_memory_use_is_what_the_guest_cannot_give_away() -> None:
    samples = volumes(list(InstanceMemory().poll(instances_of(make_domain(WITH_BALLOON)), NOW)))

    assert samples["memory.usage"] == (60000 - 20000) / 1024
    assert samples["memory.available"] == 60000 / 1024
    assert samples["memory.swap.in"] == 2.0
    assert samples["memory.swap.out"] == 0.5


def test_old_guests_tell_unused_instead_of_usable_memory() -> None:
    stats = {key: value for key, value in WITH_BALLOON.items() if key != "balloon.usable"}

    samples = volumes(list(InstanceMemory().poll(instances_of(make_domain(stats)), NOW)))

    assert samples["memory.usage"] == (60000 - 10000) / 1024


def test_swap_is_absent_when_only_one_direction_is_told() -> None:
    stats = {key: value for key, value in WITH_BALLOON.items() if key != "balloon.swap_out"}

    samples = volumes(list(InstanceMemory().poll(instances_of(make_domain(stats)), NOW)))

    assert "memory.swap.in" not in samples


def test_a_disk_has_its_own_resource_and_an_empty_drive_has_none() -> None:
    samples = list(InstanceDisk().poll(instances_of(make_domain(RUNNING)), NOW))

    assert {sample.resource_id for sample in samples} == {f"{WEB}-vda"}
    assert volumes(samples) == {
        "disk.device.read.requests": 1,
        "disk.device.read.bytes": 512,
        "disk.device.read.latency": 84676,
        "disk.device.write.requests": 0,
        "disk.device.write.bytes": 0,
        "disk.device.write.latency": 0,
        "disk.device.capacity": 67108864,
        "disk.device.allocation": 0,
        "disk.device.usage": 200704,
    }
    assert samples[0].metadata["disk_name"] == "vda"


def test_a_failed_read_of_minus_one_gives_no_sample() -> None:
    stats = RUNNING | {"block.0.rd.bytes": -1}

    samples = volumes(list(InstanceDisk().poll(instances_of(make_domain(stats)), NOW)))

    assert "disk.device.read.bytes" not in samples
    assert "disk.device.read.requests" in samples


def test_another_volume_in_the_same_slot_is_another_generation() -> None:
    other = recorded_xml(WEB).replace("<serial>vol-1<", "<serial>vol-9<")
    domains = make_domain(RUNNING), make_domain(RUNNING, xml=other)

    before, after = (next(InstanceDisk().poll(instances_of(domain), NOW)) for domain in domains)

    assert before.resource_id == after.resource_id
    assert before.generation != after.generation


def test_a_snapshot_that_changes_the_path_of_a_disk_keeps_its_generation() -> None:
    moved = RUNNING | {"block.0.path": "/var/lib/nova/instances/disk1.snapshot"}
    domains = make_domain(RUNNING), make_domain(moved)

    before, after = (next(InstanceDisk().poll(instances_of(domain), NOW)) for domain in domains)

    assert before.generation == after.generation


def test_traffic_is_counted_as_the_guest_sees_it() -> None:
    samples = list(InstanceNetwork().poll(instances_of(make_domain(RUNNING)), NOW))

    assert volumes(samples) == {
        "network.incoming.bytes": 86,
        "network.incoming.packets": 1,
        "network.incoming.packets.error": 0,
        "network.incoming.packets.drop": 1,
        "network.outgoing.bytes": 0,
        "network.outgoing.packets": 0,
        "network.outgoing.packets.error": 0,
        "network.outgoing.packets.drop": 0,
    }
    assert {sample.resource_id for sample in samples} == {f"instance-00000001-{WEB}-tap1"}
    assert samples[0].metadata["mac"] == "52:54:00:00:00:01"
    assert samples[0].metadata["vnic_name"] == "tap1"


def test_a_tap_that_another_card_inherits_is_another_generation() -> None:
    other = recorded_xml(WEB).replace("52:54:00:00:00:01", "52:54:00:00:00:99")
    domains = make_domain(RUNNING), make_domain(RUNNING, xml=other)

    before, after = (next(InstanceNetwork().poll(instances_of(domain), NOW)) for domain in domains)

    assert before.generation != after.generation


def test_the_order_of_devices_means_nothing() -> None:
    first: Stats = {
        "net.count": 2,
        "net.0.name": "tapa",
        "net.0.rx.bytes": 1,
        "net.1.name": "tapb",
        "net.1.rx.bytes": 2,
    }
    swapped: Stats = {
        "net.count": 2,
        "net.1.name": "tapa",
        "net.1.rx.bytes": 1,
        "net.0.name": "tapb",
        "net.0.rx.bytes": 2,
    }

    before, after = (
        {s.resource_id: s.volume for s in InstanceNetwork().poll(instances_of(make_domain(stats)), NOW)}
        for stats in (first, swapped)
    )

    assert before == after


def test_a_wedged_guest_tells_what_it_can_and_zero_for_nothing() -> None:
    wedged = instances_of(make_domain(recorded_stats("wedged", WEB)))

    assert volumes(list(InstanceCpu().poll(wedged, NOW))) == {"cpu": 280_000_000, "vcpus": 2}
    assert volumes(list(InstanceNetwork().poll(wedged, NOW)))["network.incoming.bytes"] == 86
    assert list(InstanceDisk().poll(wedged, NOW)) == []
    assert volumes(list(InstanceMemory().poll(wedged, NOW))) == {"memory": 64}


@pytest.mark.parametrize(("uuid", "state"), [(WEB, 1), (DATABASE, 3)])
def test_the_power_state_is_libvirts_number(uuid: str, state: int) -> None:
    domain = make_domain(recorded_stats("paused", uuid), uuid=uuid)

    samples = list(InstancePower().poll(instances_of(domain), NOW))

    assert [(s.meter, s.unit, s.volume) for s in samples] == [("power.state", "", state)]


def test_disk_sizes_are_those_of_the_flavour() -> None:
    samples = volumes(list(InstanceFlavor().poll(instances_of(make_domain(RUNNING)), NOW)))

    assert samples == {"disk.root.size": 1, "disk.ephemeral.size": 0}


def test_an_instance_without_nova_metadata_has_no_flavour_and_yet_its_counters() -> None:
    bare = instances_of(make_domain(RUNNING, xml="<domain/>"))

    assert list(InstanceFlavor().poll(bare, NOW)) == []
    assert [s.project_id for s in InstanceCpu().poll(bare, NOW)] == [None, None]


def test_counters_are_whole_numbers() -> None:
    instances = instances_of(make_domain(RUNNING))
    samples = [
        *InstanceCpu().poll(instances, NOW),
        *InstanceDisk().poll(instances, NOW),
        *InstanceNetwork().poll(instances, NOW),
    ]

    assert all(type(sample.volume) is int for sample in samples)
