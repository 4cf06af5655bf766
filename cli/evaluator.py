import threading

from cli.parts import Server
from cli.process import run_together
from cli.settings import Loaded


def run(loaded: Loaded) -> int:
    """The alarm evaluator and its webhooks, until it is told to stop; returns the exit code."""
    return run_together(Server.of(loaded.settings).alarms(), threading.Event())
