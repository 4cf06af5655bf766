"""The loop of the transformers of pipelines, built."""

from datetime import timedelta

from cli.holder import holder
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


def transformers(server: Server) -> list[Part]:
    """The loop that derives samples, where a sink has transformers; remarks on the files are said in the log."""
    server.pipelines.tell_remarks()
    pipelines, options = server.pipelines.samples, server.settings.collector
    if pipelines is None or not any(sink.steps for sink in pipelines.sinks):
        return []
    database, cycle = server.intake, timedelta(seconds=options.pipeline_cycle)
    samples = Samples(database, server.kept_rows)
    keeper = DatabasePublisher(samples, server.metrics, Events(database))
    store = Store(Window(database), samples, Transforming(database), keeper)
    pace = Pace(cycle, timedelta(seconds=options.pipeline_settle))
    loop = derivation_loop(
        Derivation(pipelines, store, _others(server), pace),
        Leases(database),
        DerivationMetrics(server.registry),
        cycle=cycle,
        holder=holder(),
        clock=now,
    )
    return [when_ready(Part("pipelines", loop.run), database)]


def _others(server: Server) -> Outlets:
    if server.outlets is None:
        return NoOutlets()
    return DerivedOutlets(server.outlets, server.receivers.everybody, server.receivers.names)
