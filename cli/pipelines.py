"""The loop of the transformers of pipelines, built."""

from datetime import timedelta

from cli.holder import holder
from cli.outlets import Forwarding
from cli.parts import Server, now
from cli.process import Part
from cli.schema import when_ready
from collector.pipelines.derivation import Derivation, Outlets, Pace, Store
from collector.pipelines.loop import DerivationMetrics, derivation_loop
from collector.pipelines.routing import DerivedOutlets, NoOutlets
from collector.publishers.database import DatabasePublisher
from storage.events import Events
from storage.samples import Samples
from storage.transforming import Transforming
from storage.upkeep.leases import Leases
from storage.window import Window


def transformers(server: Server, forwarding: Forwarding) -> list[Part]:
    """The loop that derives samples, where a sink has transformers; remarks on the files are said in the log."""
    forwarding.pipelines.tell_remarks()
    pipelines, options = forwarding.pipelines.samples, server.settings.collector
    if pipelines is None or not pipelines.has_transformers:
        return []
    database, cycle = server.intake, timedelta(seconds=options.pipeline_cycle)
    samples = Samples(database, server.kept_rows)
    keeper = DatabasePublisher(samples, server.metrics, Events(database))
    store = Store(Window(database), samples, Transforming(database), keeper)
    pace = Pace(cycle, timedelta(seconds=options.pipeline_settle))
    loop = derivation_loop(
        Derivation(pipelines, store, _others(forwarding), pace),
        Leases(database),
        DerivationMetrics(server.registry),
        cycle=cycle,
        holder=holder(),
        clock=now,
    )
    return [when_ready(Part("pipelines", loop.run), database)]


def _others(forwarding: Forwarding) -> Outlets:
    if forwarding.outlets is None:
        return NoOutlets()
    receivers = forwarding.receivers
    return DerivedOutlets(forwarding.outlets, receivers.everybody, receivers.names)
