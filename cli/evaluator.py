import threading

from cli.exposition import metrics
from cli.parts import Server
from cli.settings import Loaded
from cli.watching import alarms


def run(loaded: Loaded) -> int:
    """The alarm evaluator and its webhooks, until it is told to stop; returns the exit code."""
    server = Server.of(loaded.settings)
    parts = [*alarms(server), *metrics(loaded.settings.metrics, server.registry)]
    return server.run(parts, threading.Event())
