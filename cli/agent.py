import os
import threading
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from agent.discovery import Discovery
from agent.metrics import AgentMetrics
from agent.outbox import Outbox, Transport
from agent.polling import read_polling
from agent.pollsters.catalog import HOST, INSTANCES, MOUNTS
from agent.runner import AnyPart, Runner
from agent.runner import Part as Sampling
from agent.settings import AgentSettings
from agent.sources import libvirt
from agent.sources.host import Host, Mounts, boot_id
from agent.sources.hypervisor import Hypervisor
from agent.spool import Spool
from cli.errors import WrongUsage
from cli.exposition import metrics
from cli.process import Part, run_together
from cli.settings import Loaded, Settings, state_dir
from collector.bus import SamplePublisher
from collector.signing import Signer, node_key

log = structlog.get_logger()


def run(loaded: Loaded) -> int:
    """The agent, until it is told to stop; returns the exit code."""
    registry = CollectorRegistry()
    part = agent(loaded.settings, by_broker(loaded.settings), registry)
    return run_together([part, *metrics(loaded.settings.metrics, registry)], threading.Event())


def by_broker(settings: Settings) -> SamplePublisher:
    """The way to the collectors; raises WrongUsage without a broker."""
    if settings.bus.url is None:
        raise WrongUsage(
            "bus.url is not set: an agent sends its samples to the broker (or use `nephometer up`)"
        )
    return SamplePublisher(settings.bus, signer(settings))


def agent(settings: Settings, transport: Transport, registry: CollectorRegistry) -> Part:
    """The agent as a part of a process; raises AgentError when the spool is taken by another agent."""
    options, counts = polled(settings.agent), AgentMetrics(registry)
    spool = Spool(options.spool_dir or state_dir(os.environ) / "spool")
    outbox = Outbox(spool, transport, counts, limit_bytes=options.spool_limit_bytes)
    runner = Runner(_samplings(options), outbox, options, counts)

    def run_and_close(stop: threading.Event) -> None:
        try:
            runner.run(stop)
        finally:
            outbox.close()

    return Part("agent", run_and_close)


def polled(options: AgentSettings) -> AgentSettings:
    """The settings with what Ceilometer's file says of pollsters they say nothing of; raises InvalidPolling."""
    if options.polling is None:
        return options
    found = read_polling(options.polling)
    for remark in found.remarks:
        log.warning("polling_remark", remark=remark)
    intervals = {**found.intervals_s, **options.intervals}
    disabled = {*options.disabled, *found.disabled} - options.intervals.keys()
    return options.model_copy(update={"intervals": intervals, "disabled": tuple(sorted(disabled))})


def signer(settings: Settings) -> Signer | None:
    """Signs with this node's key, or one derived from the collectors' secret where this process has it."""
    key = settings.agent.signing_key
    if key is not None:
        return Signer(settings.agent.host, bytes.fromhex(key.get_secret_value()))
    if settings.bus.signing_secrets:
        secret = settings.bus.signing_secrets[0].get_secret_value()
        return Signer(settings.agent.host, node_key(secret, settings.agent.host))
    return None


def _samplings(options: AgentSettings) -> list[AnyPart]:
    samplings: list[AnyPart] = [
        Sampling(Host(options.host), [pollster() for pollster in HOST]),
        Sampling(Mounts(options.host), [pollster() for pollster in MOUNTS]),
    ]
    if options.libvirt_uri:
        hypervisor = Hypervisor(
            partial(libvirt.connect, options.libvirt_uri), deadline_s=options.source_deadline
        )
        discovery = Discovery(hypervisor.read, node=options.host, boot_id=boot_id())
        samplings.append(Sampling(discovery, [pollster() for pollster in INSTANCES]))
    return samplings
