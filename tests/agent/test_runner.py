import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from agent.errors import SourceUnavailable
from agent.instance import Instance
from agent.metrics import AgentMetrics
from agent.outbox import Outbox
from agent.pollsters import catalog
from agent.reading import HostReading
from agent.runner import AnyPart, Part, Runner
from agent.settings import AgentSettings
from agent.spool import Spool
from storage.sample import Sample
from tests.agent.pretend import (
    DATABASE,
    HOST,
    MOUNT,
    NOW,
    WEB,
    Given,
    Sink,
    drain,
    instances_of,
    make_domain,
    recorded_stats,
)


class House:
    """A runner with everything around it; `poll` gives what one poll put into the outbox."""

    def __init__(self, folder: Path, *parts: AnyPart, **settings: object) -> None:
        self.registry = CollectorRegistry()
        self.sink = Sink()
        metrics = AgentMetrics(self.registry)
        self.outbox = Outbox(Spool(folder), self.sink, metrics, limit_bytes=2**30)
        options = AgentSettings.model_validate({"host": "cmp01", "source_deadline": 0.2, **settings})
        self.runner = Runner(parts, self.outbox, options, metrics)

    def poll(self, now: datetime = NOW) -> list[Sample]:
        before = len(self.sink.samples)
        self.runner.poll_once(now)
        drain(self.outbox)
        return self.sink.samples[before:]

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"nephometer_agent_{name}", labels)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(*parts: AnyPart, **settings: object) -> House:
        houses.append(House(tmp_path / str(len(houses)), *parts, **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.outbox.close()


def guests() -> list[Instance]:
    return instances_of(
        make_domain(recorded_stats("running", WEB)),
        make_domain(recorded_stats("running", DATABASE), uuid=DATABASE, number=2),
    )


def host(answer: Callable[[], object] = lambda: HOST) -> AnyPart:
    return Part(Given("host", answer), [pollster() for pollster in catalog.HOST])


def mounts(answer: Callable[[], object] = lambda: [MOUNT]) -> AnyPart:
    return Part(Given("mounts", answer), [pollster() for pollster in catalog.MOUNTS])


def libvirt(answer: Callable[[], object] = guests) -> AnyPart:
    return Part(Given("libvirt", answer), [pollster() for pollster in catalog.INSTANCES])


def unavailable() -> object:
    raise SourceUnavailable("nobody there")


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


class Turns:
    """A source that counts its reads and says when there were enough."""

    name = "host"

    def __init__(self, enough: int) -> None:
        self.moments: list[float] = []
        self.enough = threading.Event()
        self._wanted = enough

    def read(self, _now: datetime) -> HostReading:
        self.moments.append(time.monotonic())
        if len(self.moments) >= self._wanted:
            self.enough.set()
        return HOST


def run(house: House, until: threading.Event) -> float:
    """Run until something happens; returns how long the end took."""
    stop = threading.Event()
    thread = threading.Thread(target=house.runner.run, args=(stop,))
    thread.start()
    assert until.wait(20)
    began = time.monotonic()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    return time.monotonic() - began


def test_a_running_agent_polls_delivers_and_ends_when_told(build: Callable[..., House]) -> None:
    source = Turns(2)
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)

    assert run(house, source.enough) < 5
    drain(house.outbox)

    assert len(house.sink.samples) == 3 * len(source.moments)


def test_an_agent_with_a_wedged_source_ends_when_told(build: Callable[..., House]) -> None:
    gate, reading = threading.Event(), threading.Event()

    def hang() -> object:
        reading.set()
        gate.wait()
        return HOST

    house = build(host(hang), interval=1, source_deadline=60)

    with capture_logs() as logs:
        assert run(house, reading) < 5
    gate.set()

    assert "source_down" not in {entry["event"] for entry in logs}


def test_polling_keeps_its_beat_while_the_transport_hangs(build: Callable[..., House]) -> None:
    source = Turns(3)
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)
    released = threading.Event()
    house.sink.before = released.wait  # the broker takes the batch and never answers
    stop = threading.Event()
    thread = threading.Thread(target=house.runner.run, args=(stop,))
    thread.start()
    assert source.enough.wait(20)
    stop.set()
    released.set()
    thread.join(10)

    gaps = [later - earlier for earlier, later in pairwise(source.moments)]
    assert all(0.5 < gap < 1.5 for gap in gaps)


def test_a_broken_transport_is_said_once_and_heals(build: Callable[..., House]) -> None:
    source = Turns(1)
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)
    second_attempt = threading.Event()
    house.sink.is_down = True

    def heal_after_one() -> None:
        if house.value("deliveries_total", outcome="failed"):
            house.sink.is_down = False
            second_attempt.set()

    house.sink.before = heal_after_one
    with capture_logs() as logs:
        run(house, second_attempt)

    events = [entry["event"] for entry in logs if entry["event"].startswith("delivery")]
    assert events == ["delivery_down", "delivery_up"]
    assert house.sink.samples
