import threading

from cli import broker
from cli.parts import Server
from cli.process import run_together
from cli.settings import Loaded


def run(loaded: Loaded) -> int:
    """The API server, until it is told to stop; returns the exit code."""
    server = Server.of(loaded.settings)
    return run_together([server.api(broker.checks(loaded.settings.bus))], threading.Event())
