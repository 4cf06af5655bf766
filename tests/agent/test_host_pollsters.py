from dataclasses import replace

import pytest

from agent.pollsters.host_cpu import HostCpu, utilisation
from agent.pollsters.host_disk import HostDisk
from agent.pollsters.host_load import HostLoad
from agent.pollsters.host_memory import HostMemory
from agent.pollsters.host_mount import HostMount
from agent.pollsters.host_network import HostNetwork
from agent.pollsters.host_swap import HostSwap
from agent.reading import CpuTimes
from tests.agent.pretend import BOOT, HOST, MOUNT, NOW, SECOND, volumes


def test_processor_times_are_exact_counters_of_this_boot() -> None:
    samples = list(HostCpu().poll(HOST, NOW))

    assert volumes(samples)["compute.node.cpu.kernel.time"] == 20 * SECOND
    assert {(s.type, s.unit, s.generation, s.resource_id) for s in samples} == {
        ("cumulative", "ns", BOOT, "cmp01")
    }
    assert all(type(sample.volume) is int for sample in samples)


def test_utilisation_is_absent_until_a_second_poll_gives_it_a_span() -> None:
    pollster = HostCpu()

    first = volumes(list(pollster.poll(HOST, NOW)))
    busy = replace(HOST.cpu, user=HOST.cpu.user + 3 * SECOND, idle=HOST.cpu.idle + SECOND)
    second = volumes(list(pollster.poll(replace(HOST, cpu=busy), NOW)))

    assert "hardware.cpu.util" not in first
    assert second["hardware.cpu.util"] == 75.0


def test_waiting_for_a_disk_is_not_use_of_the_processor() -> None:
    waiting = replace(HOST.cpu, iowait=HOST.cpu.iowait + 4 * SECOND)

    assert utilisation(HOST.cpu, waiting) == 0.0


@pytest.mark.parametrize("after", [HOST.cpu, replace(HOST.cpu, idle=0)])
def test_utilisation_is_unknown_when_no_time_passed(after: CpuTimes) -> None:
    assert utilisation(HOST.cpu, after) is None


def test_load_is_three_averages() -> None:
    assert volumes(list(HostLoad().poll(HOST, NOW))) == {
        "hardware.cpu.load.1min": 0.5,
        "hardware.cpu.load.5min": 0.25,
        "hardware.cpu.load.15min": 0.125,
    }


def test_used_memory_is_what_programs_cannot_get_back() -> None:
    assert volumes(list(HostMemory().poll(HOST, NOW))) == {
        "hardware.memory.total": 8 * 2**20,
        "hardware.memory.used": 2 * 2**20,
        "hardware.memory.available": 6 * 2**20,
        "hardware.memory.buffer": 1024,
        "hardware.memory.cached": 2**20,
    }


def test_swap_has_its_space_and_its_traffic() -> None:
    assert volumes(list(HostSwap().poll(HOST, NOW))) == {
        "hardware.memory.swap.total": 2**20,
        "hardware.memory.swap.avail": 2**19,
        "hardware.memory.swap.in": 4096,
        "hardware.memory.swap.out": 8192,
    }


def test_a_disk_is_a_resource_of_its_own() -> None:
    samples = list(HostDisk().poll(HOST, NOW))

    assert volumes(samples) == {
        "hardware.disk.read.bytes": 40960,
        "hardware.disk.read.requests": 10,
        "hardware.disk.write.bytes": 81920,
        "hardware.disk.write.requests": 20,
    }
    assert {(s.resource_id, s.generation) for s in samples} == {("cmp01.sda", f"{BOOT}.9")}


def test_counters_of_another_disk_under_the_same_name_are_another_generation() -> None:
    swapped = replace(HOST, disks=(replace(HOST.disks[0], life="10"),))

    before, after = (next(HostDisk().poll(reading, NOW)) for reading in (HOST, swapped))

    assert before.resource_id == after.resource_id
    assert before.generation != after.generation


def test_an_interface_counts_both_directions() -> None:
    samples = list(HostNetwork().poll(HOST, NOW))

    assert volumes(samples) == {
        "hardware.network.incoming.bytes": 1000,
        "hardware.network.incoming.packets": 10,
        "hardware.network.incoming.errors": 1,
        "hardware.network.incoming.drops": 2,
        "hardware.network.outgoing.bytes": 2000,
        "hardware.network.outgoing.packets": 20,
        "hardware.network.outgoing.errors": 3,
        "hardware.network.outgoing.drops": 4,
    }
    assert {sample.resource_id for sample in samples} == {"cmp01.eth0"}


def test_a_mount_is_named_by_its_mount_point() -> None:
    samples = list(HostMount().poll([MOUNT], NOW))

    assert volumes(samples) == {
        "hardware.disk.size.total": 100 * 2**20,
        "hardware.disk.size.used": 25 * 2**20,
    }
    assert {sample.resource_id for sample in samples} == {"cmp01./"}
    assert samples[0].metadata["device"] == "/dev/sda1"


def test_nodes_belong_to_no_project() -> None:
    samples = [*HostCpu().poll(HOST, NOW), *HostDisk().poll(HOST, NOW), *HostMount().poll([MOUNT], NOW)]

    assert {sample.project_id for sample in samples} == {None}
