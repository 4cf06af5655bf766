"""What real libvirt and QEMU do, through the agent's own eyes."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from agent.discovery import Discovery
from agent.errors import SourceUnavailable
from agent.instance import Instance
from agent.pollsters import catalog
from agent.sources.host import boot_id
from agent.sources.hypervisor import Hypervisor
from agent.sources.libvirt import connect
from storage.sample import Sample
from tests.agent.pretend import NOW
from tests.servers import Missing

if not os.environ.get("CI"):
    pytest.importorskip("libvirt", reason="libvirt's Python binding is not installed")
from tests.agent.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        lab = Lab()
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def guests(lab: Lab) -> tuple[str, str]:
    return lab.start_guest(1), lab.start_guest(2)


@pytest.fixture
def discovery(lab: Lab, guests: tuple[str, str]) -> Iterator[Discovery]:
    hypervisor = Hypervisor(lambda: connect(lab.uri), deadline_s=8)
    yield Discovery(hypervisor.read, node="cmp01", boot_id=boot_id())
    hypervisor.close()


def find(discovery: Discovery, uuid: str) -> Instance:
    return next(instance for instance in discovery.read(NOW) if instance.id == uuid)


def samples_of(instance: Instance) -> list[Sample]:
    pollsters = [pollster() for pollster in catalog.INSTANCES]
    return [sample for pollster in pollsters for sample in pollster.poll([instance], NOW)]


def test_a_real_guest_gives_every_meter_it_can_without_an_operating_system(
    discovery: Discovery, guests: tuple[str, str]
) -> None:
    samples = {sample.meter: sample for sample in samples_of(find(discovery, guests[0]))}

    assert set(samples) == {
        *("cpu", "vcpus", "memory", "memory.resident", "power.state"),
        *("disk.root.size", "disk.ephemeral.size"),
        *(
            f"disk.device.{way}.{what}"
            for way in ("read", "write")
            for what in ("bytes", "requests", "latency")
        ),
        *(f"disk.device.{what}" for what in ("capacity", "allocation", "usage")),
        *(
            f"network.{way}.{what}"
            for way in ("incoming", "outgoing")
            for what in ("bytes", "packets", "packets.error", "packets.drop")
        ),
    }
    assert samples["cpu"].volume > 0
    assert samples["memory"].volume == 32
    assert samples["disk.device.capacity"].volume == 16 * 2**20
    assert samples["cpu"].project_id == "project-1"
    assert samples["cpu"].metadata["instance_type"] == "m1.tiny"


def test_a_wedged_guest_holds_up_nobody(lab: Lab, discovery: Discovery, guests: tuple[str, str]) -> None:
    wedged, other = guests
    pid = lab.pid_of(wedged)
    discovery.read(NOW)
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        first = {instance.id: samples_of(instance) for instance in discovery.read(NOW)}
        took_s = time.monotonic() - began
        second = {instance.id for instance in discovery.read(NOW)}
    finally:
        os.kill(pid, signal.SIGCONT)

    assert took_s < 8
    assert second == set(guests)
    assert "disk.device.read.bytes" in {sample.meter for sample in first[other]}
    assert "disk.device.read.bytes" not in {sample.meter for sample in first[wedged]}
    assert "cpu" in {sample.meter for sample in first[wedged]}


def test_a_guest_that_reboots_goes_on_counting(
    lab: Lab, discovery: Discovery, guests: tuple[str, str]
) -> None:
    before = find(discovery, guests[1])

    connection = lab.writable()
    connection.lookupByUUIDString(guests[1]).reset()
    connection.close()
    after = find(discovery, guests[1])

    assert after.generation == before.generation
    assert cpu(after) >= cpu(before)


def test_a_guest_that_is_stopped_and_started_counts_from_zero_in_a_new_generation(
    lab: Lab, discovery: Discovery
) -> None:
    before = find(discovery, lab.start_guest(3))
    lab.stop_guest(before.id)
    assert before.id not in {instance.id for instance in discovery.read(NOW)}
    lab.start_guest(3)

    after = find(discovery, before.id)
    lab.stop_guest(before.id)

    assert after.generation != before.generation


def test_a_defined_guest_that_does_not_run_is_not_billed_for_the_daemon(
    lab: Lab, discovery: Discovery, guests: tuple[str, str]
) -> None:
    connection = lab.writable()
    domain = connection.defineXML(lab.definition(9))

    assert {instance.id for instance in discovery.read(NOW)} == set(guests)

    domain.undefine()
    connection.close()


def test_a_killed_libvirtd_restarts_no_counter(
    lab: Lab, discovery: Discovery, guests: tuple[str, str]
) -> None:
    before = find(discovery, guests[1])
    lab.kill_daemon()
    with pytest.raises(SourceUnavailable):
        discovery.read(NOW)
    lab.start_daemon()

    after = _read_until_it_is_back(discovery, guests[1])

    assert after.generation == before.generation
    assert cpu(after) >= cpu(before)


def cpu(instance: Instance) -> int | float:
    return next(sample.volume for sample in samples_of(instance) if sample.meter == "cpu")


def _read_until_it_is_back(discovery: Discovery, uuid: str) -> Instance:
    until = time.monotonic() + 20
    while True:
        try:
            return find(discovery, uuid)
        except (SourceUnavailable, StopIteration):
            assert time.monotonic() < until
            time.sleep(0.1)
