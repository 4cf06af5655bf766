import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from agent.pollsters import catalog
from agent.reading import HostReading
from agent.runner import Part
from storage.sample import Sample
from tests.agent.house import House, guests, host, libvirt, mounts, unavailable
from tests.agent.pretend import (
    HOST,
    NOW,
    Given,
    drain,
)


def test_all_samples_of_a_cycle_carry_its_moment(build: Callable[..., House]) -> None:
    samples = build(host(), mounts(), libvirt()).poll()

    assert {sample.timestamp for sample in samples} == {NOW}
    assert {sample.meter for sample in samples} >= {
        "hardware.cpu.load.1min",
        "cpu",
        "hardware.disk.size.used",
    }


def test_samples_of_one_resource_stand_together(build: Callable[..., House]) -> None:
    resources = [sample.resource_id for sample in build(host(), mounts(), libvirt()).poll()]

    changes = [one for one, before in zip(resources, [None, *resources], strict=False) if one != before]
    assert len(changes) == len(set(resources))


def test_a_cycle_says_how_many_samples_it_gave(build: Callable[..., House]) -> None:
    house = build(host(), libvirt())

    count = house.runner.poll_once(NOW)
    drain(house.outbox)

    assert count == len(house.sink.samples) > 0


def test_only_what_is_due_is_polled_and_only_its_source_read(build: Callable[..., House]) -> None:
    house = build(host(), libvirt(unavailable))

    house.runner.poll_once(NOW, ["host_load"])
    drain(house.outbox)

    assert {sample.meter.rpartition(".")[0] for sample in house.sink.samples} == {"hardware.cpu.load"}
    assert house.value("source_up", source="libvirt") is None


def test_disabled_pollsters_do_not_run(build: Callable[..., House]) -> None:
    samples = build(host(), disabled=("host_cpu", "host_network")).poll()

    assert not any(s.meter.startswith(("compute.node", "hardware.network")) for s in samples)


def test_two_pollsters_of_a_source_share_one_read(build: Callable[..., House]) -> None:
    reads: list[int] = []

    def read() -> HostReading:
        reads.append(1)
        return HOST

    build(host(read)).poll()

    assert len(reads) == 1


def test_an_absent_source_is_said_when_it_goes_and_when_it_returns(build: Callable[..., House]) -> None:
    is_there = False
    house = build(host(), libvirt(lambda: guests() if is_there else unavailable()))

    with capture_logs() as logs:
        assert all(sample.meter != "cpu" for _ in range(3) for sample in house.poll())
        is_there = True
        assert any(sample.meter == "cpu" for sample in house.poll())

    assert [(entry["event"], entry["source"]) for entry in logs] == [
        ("source_down", "libvirt"),
        ("source_up", "libvirt"),
    ]
    assert house.value("source_up", source="libvirt") == 1
    assert house.value("polls_total", pollster="instance_cpu", outcome="failure") == 3


def test_a_wedged_source_delays_nobody_beyond_its_deadline_and_is_left_alone(
    build: Callable[..., House],
) -> None:
    gate, reads = threading.Event(), []

    def hang() -> object:
        reads.append(1)
        gate.wait()
        return guests()

    house = build(libvirt(hang), host(), source_deadline=0.3)

    began = time.monotonic()
    first = house.poll()
    took_s = time.monotonic() - began
    began = time.monotonic()
    others = [house.poll() for _ in range(3)]
    others_took_s = time.monotonic() - began

    assert {s.resource_id for s in first} == {"cmp01", "cmp01.eth0", "cmp01.sda"}
    assert 0.3 <= took_s < 3
    assert all(others)
    assert others_took_s < 0.3
    assert len(reads) == 1
    gate.set()


def test_a_late_answer_is_thrown_away_and_the_next_one_counts(build: Callable[..., House]) -> None:
    gate = threading.Event()
    answered = threading.Event()

    def hang() -> object:
        gate.wait()
        answered.set()
        return guests()

    house = build(libvirt(hang), source_deadline=0.1)
    assert house.poll() == []
    gate.set()
    answered.wait(10)
    samples: list[Sample] = []
    while not samples:  # the late thread needs a moment to end
        samples = house.poll(NOW + timedelta(minutes=5))

    assert {sample.timestamp for sample in house.sink.samples} == {NOW + timedelta(minutes=5)}


def test_a_fault_in_one_source_leaves_the_others_alone(build: Callable[..., House]) -> None:
    house = build(libvirt(lambda: 1 / 0), host())

    with capture_logs() as logs:
        assert house.poll()
        assert house.poll()

    assert [entry["event"] for entry in logs] == ["source_down"]
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)


def test_a_fault_in_one_pollster_leaves_the_others_alone(build: Callable[..., House]) -> None:
    class Faulty:
        name = "host_cpu"
        interval: timedelta | None = None

        def poll(self, reading: HostReading, now: datetime) -> Iterator[Sample]:
            yield next(catalog.HOST[1]().poll(reading, now))
            raise RuntimeError("boom")

    load = catalog.HOST[1]()
    house = build(Part(Given("host", lambda: HOST), [Faulty(), load]))

    with capture_logs() as logs:
        samples = [*house.poll(), *house.poll()]

    assert len(samples) == 6
    assert [entry["event"] for entry in logs] == ["pollster_down"]
    assert house.value("polls_total", pollster="host_cpu", outcome="failure") == 2


def test_nothing_is_sampled_before_the_clock_is_set(build: Callable[..., House]) -> None:
    house = build(host())
    booted = datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC)

    with capture_logs() as logs:
        assert house.poll(booted) == []
        assert house.poll(booted) == []
        assert house.poll(NOW)

    assert [entry["event"] for entry in logs] == ["clock_not_set", "clock_set"]


def test_the_agent_tells_what_it_did(build: Callable[..., House]) -> None:
    house = build(host())

    samples = house.poll()

    assert house.value("samples_total", pollster="host_load") == 3
    assert house.value("polls_total", pollster="host_load", outcome="success") == 1
    assert house.value("last_success_timestamp_seconds", pollster="host_load") == NOW.timestamp()
    assert house.value("read_seconds_count", source="host") == 1
    assert house.value("deliveries_total", outcome="delivered") == 1
    assert house.value("spool_bytes") == 0
    assert len(samples) > 3
