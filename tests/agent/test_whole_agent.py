"""One poll of a pretend node with two recorded guests, to the last sample."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agent.discovery import Discovery
from agent.metrics import AgentMetrics
from agent.outbox import Outbox
from agent.pollsters import catalog
from agent.runner import AnyPart, Part, Runner
from agent.settings import AgentSettings
from agent.sources.hypervisor import Hypervisor
from agent.spool import Spool
from collector.envelope import decode_batch
from storage.sample import Sample
from tests.agent.pretend import BOOT, DATABASE, HOST, MOUNT, NOW, WEB, Given, Sink, drain
from tests.agent.test_hypervisor import FakeConnection

EXPECTED = Path(__file__).parent / "recordings" / "expected.txt"


def line(sample: Sample) -> str:
    words = (
        sample.resource_id,
        sample.meter,
        sample.type,
        repr(sample.volume),
        sample.unit or "-",
        sample.generation or "-",
        sample.project_id or "-",
    )
    return " ".join(words)


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    """What left the agent in one poll."""
    sink = Sink()
    hypervisor = Hypervisor(
        FakeConnection, deadline_s=10, start_ticks=lambda _uuids: {WEB: "4711", DATABASE: "4712"}
    )
    parts: tuple[AnyPart, ...] = (
        Part(Given("host", lambda: HOST), [pollster() for pollster in catalog.HOST]),
        Part(Given("mounts", lambda: [MOUNT]), [pollster() for pollster in catalog.MOUNTS]),
        Part(
            Discovery(hypervisor.read, node="cmp01", boot_id=BOOT),
            [pollster() for pollster in catalog.INSTANCES],
        ),
    )
    metrics = AgentMetrics(CollectorRegistry())
    outbox = Outbox(Spool(tmp_path), sink, metrics, limit_bytes=2**30)
    Runner(parts, outbox, AgentSettings(host="cmp01"), metrics).poll_once(NOW)
    drain(outbox)
    outbox.close()
    return sink


def test_one_poll_gives_exactly_these_samples(sink: Sink) -> None:
    assert sorted(map(line, sink.samples)) == EXPECTED.read_text(encoding="utf-8").splitlines()


def test_every_body_is_a_batch_the_collector_reads(sink: Sink) -> None:
    assert len(sink.bodies) == 3
    assert sum(len(decode_batch(body)) for body in sink.bodies) == len(sink.samples)
