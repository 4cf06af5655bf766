"""A cloud that is the same every time: instances that are polled, restarted, resized and moved.

Arrays have one line per instance and one column per poll. The oracle computes on them what every system must
answer; `bench.product` and `bench.peers` turn them into what each system takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from storage.sample import SampleType

Integers = NDArray[np.int64]
Volumes = NDArray[Any]  # int64 of an integer meter, float64 of a real one

SECOND = 1_000_000  # microseconds, as every time here
STEP = 300 * SECOND
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
POLLS_AN_HOUR, POLLS_A_DAY = HOUR // STEP, DAY // STEP
SEED = 20261123


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter as the agent sends it."""

    name: str
    type: SampleType
    unit: str
    is_real: bool = False


METERS = (
    Meter("cpu", "cumulative", "ns"),
    Meter("cpu_util", "gauge", "%", is_real=True),
    Meter("memory.usage", "gauge", "MiB"),
    Meter("memory.resident", "gauge", "MiB"),
    Meter("vcpus", "gauge", "vcpu"),
    Meter("disk.read.bytes", "cumulative", "B"),
    Meter("disk.write.bytes", "cumulative", "B"),
    Meter("disk.write.requests", "cumulative", "request"),
    Meter("network.incoming.bytes", "cumulative", "B"),
    Meter("network.outgoing.bytes", "cumulative", "B"),
)
CPU, CPU_UTIL, NETWORK = 0, 1, 8  # places of the meters that are asked for


@dataclass(frozen=True, slots=True)
class Flavor:
    """What an instance may be."""

    name: str
    vcpus: int
    ram_mib: int


FLAVORS = (Flavor("m1.small", 1, 2048), Flavor("m1.medium", 2, 4096), Flavor("m1.large", 4, 8192))


@dataclass(frozen=True, slots=True)
class Size:
    """How much: so many `polls`, a `step` apart, of `instances` in projects of `project`, on `hosts` nodes."""

    instances: int
    project: int
    hosts: int
    polls: int
    step: int = STEP

    @property
    def samples(self) -> int:
        return self.instances * self.polls * len(METERS)


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in an instance's life with one host and one flavour; its counters began at zero with it."""

    poll: int
    host: int
    flavor: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Readings, `volumes[meter][instance, poll]`, taken at `times[instance, poll]` (microseconds, rising).

    `lives[instance, poll]` is the place of the phase in `phases[instance]`.
    """

    size: Size
    begin: int
    times: Integers
    volumes: tuple[Volumes, ...]
    lives: NDArray[np.int8]
    phases: tuple[tuple[Phase, ...], ...]

    @property
    def end(self) -> int:
        """When the last poll's time is over."""
        return self.begin + self.size.polls * self.size.step

    def project_of(self, instance: int) -> int:
        return instance // self.size.project

    def members(self, project: int) -> range:
        """The instances of a project."""
        return range(project * self.size.project, (project + 1) * self.size.project)

    @property
    def projects(self) -> int:
        return self.size.instances // self.size.project

    def part(self, first: int, last: int) -> "Workload":
        """The polls from `first` to before `last`."""
        return Workload(
            replace(self.size, polls=last - first),
            self.begin + first * self.size.step,
            self.times[:, first:last],
            tuple(volumes[:, first:last] for volumes in self.volumes),
            self.lives[:, first:last],
            tuple(
                tuple(replace(phase, poll=max(0, phase.poll - first)) for phase in own if phase.poll < last)
                for own in self.phases
            ),
        )

    def hosts_at(self, poll: int) -> Integers:
        """The host of every instance at a poll."""
        lives = self.lives[:, poll]
        return np.array([phases[life].host for phases, life in zip(self.phases, lives, strict=True)])

    def messages(self, poll: int) -> Iterator[list[int]]:
        """The instances of each node, as its agent reads them together; nodes in the order of their offsets."""
        hosts = self.hosts_at(poll)
        for host in range(self.size.hosts):
            members = np.flatnonzero(hosts == host)
            if len(members):
                yield members.tolist()


def resource_name(instance: int) -> str:
    """Its id; the first eight digits are the number."""
    return f"{instance:08x}-5bd2-4f6e-9f3a-0123456789ab"


def project_name(project: int) -> str:
    """Its id; the first eight digits are the number."""
    return f"{project:08x}a3c94f2e8b7d0123456789ab"


def metadata(instance: int, phase: Phase) -> dict[str, object]:
    """What Nova tells of an instance: about 400 bytes."""
    flavor = FLAVORS[phase.flavor]
    return {
        "display_name": f"vm-{instance:05d}",
        "name": f"instance-{instance:08x}",
        "instance_id": resource_name(instance),
        "instance_type": flavor.name,
        "host": f"compute-{phase.host:03d}.example.org",
        "instance_host": f"compute-{phase.host:03d}",
        "status": "active",
        "task_state": "",
        "image": {"id": f"{instance % 7:08x}-77aa-4c1e-8f00-0123456789ab", "name": "debian-12"},
        "flavor": {"name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram_mib, "disk": 20},
        "vcpus": flavor.vcpus,
        "memory_mb": flavor.ram_mib,
    }


def generation(instance: int, life: int) -> str:
    """What a life of an instance's counters is called."""
    return f"boot-{instance:05d}-{life}"


def make(size: Size, begin: int, seed: int = SEED) -> Workload:
    """The workload of this size from `begin` on."""
    random = np.random.default_rng(seed)
    phases = tuple(_phases(random, size) for _ in range(size.instances))
    lives = np.zeros((size.instances, size.polls), np.int8)
    for instance, own in enumerate(phases):
        for phase in own[1:]:
            lives[instance, phase.poll :] += 1
    return Workload(
        size, begin, _times(random, size, begin, phases), _volumes(random, size, phases), lives, phases
    )


def _phases(random: np.random.Generator, size: Size) -> tuple[Phase, ...]:
    """A tenth moves to another host once, a twentieth is restarted, a twentieth is resized."""
    host, flavor = int(random.integers(size.hosts)), int(random.choice(3, p=[0.6, 0.3, 0.1]))
    phases = [Phase(0, host, flavor)]
    kinds: tuple[tuple[Literal["move", "restart", "resize"], float], ...] = (
        ("move", 0.1),
        ("restart", 0.05),
        ("resize", 0.05),
    )
    polls = sorted(random.choice(np.arange(1, size.polls), 3, replace=False).tolist())
    for poll, (kind, share) in zip(polls, kinds, strict=True):
        if random.random() < share:
            host = (host + 1) % size.hosts if kind == "move" else host
            flavor = (flavor + 1) % len(FLAVORS) if kind == "resize" else flavor
            phases.append(Phase(poll, host, flavor))
    return tuple(phases)


def _times(
    random: np.random.Generator, size: Size, begin: int, phases: tuple[tuple[Phase, ...], ...]
) -> Integers:
    """One moment for all instances of a node and poll: the node's own offset, and up to 50 ms more."""
    offsets = np.sort(random.integers(0, size.step - SECOND // 10, size.hosts))
    jitter = random.integers(0, 50_000, (size.hosts, size.polls))
    moments = begin + np.arange(size.polls) * size.step + offsets[:, None] + jitter
    times = np.empty((size.instances, size.polls), np.int64)
    for instance, own in enumerate(phases):
        for phase in own:
            times[instance, phase.poll :] = moments[phase.host, phase.poll :]
    return times


def _volumes(
    random: np.random.Generator, size: Size, phases: tuple[tuple[Phase, ...], ...]
) -> tuple[Volumes, ...]:
    """The readings of every meter, in the order of METERS."""
    shape = (size.instances, size.polls)
    vcpus, ram = np.empty(shape, np.int64), np.empty(shape, np.int64)
    for instance, own in enumerate(phases):
        for phase in own:
            vcpus[instance, phase.poll :] = FLAVORS[phase.flavor].vcpus
            ram[instance, phase.poll :] = FLAVORS[phase.flavor].ram_mib
    busy = _wandering(random, shape)
    level = random.lognormal(0, 1, (size.instances, 1))
    requests = random.poisson(600 * level, shape)
    cpu = (busy / 100 * vcpus * 300e9).astype(np.int64) + random.integers(0, 10**6, shape)
    resident = 200 + (ram * 0.4).astype(np.int64) + random.integers(-8, 9, shape).cumsum(1) // 4
    grown = (
        cpu,
        random.poisson(40 * level, shape) * 4096,
        requests * 4096 + random.poisson(20, shape) * 512,
        requests,
        random.poisson(3000 * level, shape) * 300 + random.integers(0, 1400, shape),
        random.poisson(2000 * level, shape) * 400 + random.integers(0, 1400, shape),
    )
    counters = [_counted(increments.astype(np.int64), phases) for increments in grown]
    gauges: list[Volumes] = [
        np.round(busy, 4),
        resident - 120 + random.integers(-3, 4, shape),
        resident,
        vcpus,
    ]
    return (counters[0], *gauges, *counters[1:])


def _wandering(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Per cent of a processor: each step keeps most of the last one."""
    noise = random.normal(0, 2, shape)
    mean = random.uniform(2, 60, shape[0])
    values = np.empty(shape)
    last = mean.copy()
    for poll in range(shape[1]):
        last = mean + 0.9 * (last - mean) + noise[:, poll]
        values[:, poll] = last
    return np.clip(values, 0, 100)


def _counted(increments: Integers, phases: tuple[tuple[Phase, ...], ...]) -> Integers:
    """The counter of these increments, from zero again in every phase."""
    grown = increments.cumsum(1)
    counter = grown.copy()
    for instance, own in enumerate(phases):
        for phase in own[1:]:
            counter[instance, phase.poll :] = grown[instance, phase.poll :] - grown[instance, phase.poll - 1]
    return counter
