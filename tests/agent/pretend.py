"""A pretend node: readings, recorded domains, and ends of the pipe that remember."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from agent.discovery import Discovery
from agent.instance import Domain, Instance
from agent.metrics import AgentMetrics
from agent.outbox import Outbox
from agent.reading import CpuTimes, Disk, HostReading, Interface, Memory, Mount, Swap
from agent.sources.domain_stats import parse
from agent.sources.hypervisor import Row
from agent.spool import Spool
from collector.envelope import decode_batch
from collector.errors import BusUnavailable
from storage.sample import Sample

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOOT = "11111111-2222-3333-4444-555555555555"
WEB = "00000000-0000-4000-8000-000000000001"
DATABASE = "00000000-0000-4000-8000-000000000002"
SHUT_OFF = "00000000-0000-4000-8000-000000000003"
RECORDINGS = Path(__file__).parent / "recordings"

Stats = dict[str, object]

SECOND = 10**9
HOST = HostReading(
    node="cmp01",
    boot_id=BOOT,
    processors=2,
    cpu=CpuTimes(
        user=40 * SECOND,
        nice=SECOND,
        system=20 * SECOND,
        idle=130 * SECOND,
        iowait=5 * SECOND,
        irq=0,
        softirq=3 * SECOND,
        steal=SECOND,
    ),
    load=(0.5, 0.25, 0.125),
    memory=Memory(total=8 * 2**30, available=6 * 2**30, buffers=2**20, cached=2**30),
    swap=Swap(total=2**30, free=2**29, moved_in=4096, moved_out=8192),
    disks=(Disk("sda", "9", 10, 40960, 20, 81920),),
    interfaces=(Interface("eth0", "2", 1000, 10, 1, 2, 2000, 20, 3, 4),),
)
MOUNT = Mount("cmp01", "/", "/dev/sda1", "ext4", total=100 * 2**30, used=25 * 2**30)


def recorded(name: str) -> list[dict[str, object]]:
    """Domains of one bulk call of libvirt 9.0 with QEMU 7.2: uuid, id, name, stats, xml."""
    return cast(
        "list[dict[str, object]]", json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    )


def recorded_stats(name: str, uuid: str) -> Stats:
    """The bulk statistics of one recorded domain."""
    return next(cast("Stats", domain["stats"]) for domain in recorded(name) if domain["uuid"] == uuid)


def recorded_xml(uuid: str) -> str:
    """The definition of a recorded domain, Nova's metadata in it."""
    return next(cast("str", domain["xml"]) for domain in recorded("running") if domain["uuid"] == uuid)


def recorded_rows(name: str) -> list[Row]:
    """The domains of one recorded bulk call, as a connection gives them."""
    return [
        Row(
            cast("str", domain["uuid"]),
            cast("int", domain["id"]),
            cast("str", domain["name"]),
            parse(cast("Stats", domain["stats"])),
        )
        for domain in recorded(name)
    ]


def make_domain(
    stats: Stats, *, number: int = 1, started: str = "4711", uuid: str = WEB, xml: str | None = None
) -> Domain:
    """A domain with these bulk statistics and, unless given, the recorded definition."""
    text = recorded_xml(uuid) if xml is None else xml
    return Domain(uuid, number, "instance-00000001", parse(stats), text, started)


def instances_of(*domains: Domain) -> list[Instance]:
    """What discovery makes of these domains on the pretend node."""
    return Discovery(lambda _now: domains, node="cmp01", boot_id=BOOT).read(NOW)


class Sink:
    """A transport that remembers what it took, or fails as long as it is told to; `before` runs before each."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.is_down = False
        self.before: Callable[[], object] = lambda: None

    def send(self, body: bytes) -> None:
        self.before()
        if self.is_down:
            raise BusUnavailable("the broker is away")
        self.bodies.append(body)

    @property
    def samples(self) -> list[Sample]:
        return [sample for body in self.bodies for sample in decode_batch(body)]


def make_outbox(folder: Path, sink: Sink, *, limit_bytes: int = 2**30, segment_bytes: int = 2**23) -> Outbox:
    """An outbox over a fresh registry."""
    metrics = AgentMetrics(CollectorRegistry())
    return Outbox(Spool(folder, segment_bytes=segment_bytes), sink, metrics, limit_bytes=limit_bytes)


def drain(outbox: Outbox) -> None:
    """Deliver until nothing is left."""
    while outbox.deliver():
        pass


def volumes(samples: Sequence[Sample]) -> dict[str, int | float]:
    """Volume by meter; each meter must occur once."""
    assert len({sample.meter for sample in samples}) == len(samples)
    return {sample.meter: sample.volume for sample in samples}


class Given:
    """A source that answers what it is given, or does what it is told."""

    def __init__(self, name: str, answer: Callable[[], object]) -> None:
        self.name = name
        self.answer = answer

    def read(self, _now: datetime) -> object:
        return self.answer()
