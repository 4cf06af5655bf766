"""A runner with everything around it, on the pretend node."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from agent.errors import SourceUnavailable
from agent.instance import Instance
from agent.metrics import AgentMetrics
from agent.outbox import Outbox
from agent.pollsters import catalog
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
