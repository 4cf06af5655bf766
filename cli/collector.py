import gc
import sys
import threading

from cli.errors import WrongUsage
from cli.exposition import metrics
from cli.maintenance import maintenance
from cli.parts import Server
from cli.process import Part
from cli.schema import when_ready
from cli.settings import Loaded
from collector.bus import Bus

# Objects made until Python looks for circles among them. A notification is hundreds, gone when it is read: looking
# after the usual 700 took a seventh of the time.
COLLECTED_AFTER = (10_000, 10, 10)
# How long a thread may go on before another one gets its turn: those that work on two batches push each other out of
# the processor's caches. Nobody waits for a collector as for an API server.
TURN_S = 0.05


def run(loaded: Loaded) -> int:
    """The collector, until it is told to stop; returns the exit code."""
    if not loaded.settings.bus.notification_sources:
        raise WrongUsage(
            "bus.url is not set: a collector takes its samples from the broker (or use `nephometer up`)"
        )
    sys.setswitchinterval(TURN_S)
    server = Server.of(loaded.settings)
    parts = [collector(server), maintenance(server), *server.publishers()]
    parts += metrics(loaded.settings.metrics, server.registry)
    return server.run(parts, threading.Event())


def collector(server: Server) -> Part:
    """The consumer of every broker, begun when the database is there."""
    gc.set_threshold(*COLLECTED_AFTER)
    settings = server.settings
    bus = Bus(settings.bus, settings.collector, server.pipeline.process, server.metrics)
    return when_ready(Part("collector", bus.run), server.intake)
