import sys
import threading
from collections.abc import Mapping
from functools import partial

import structlog

from agent.outbox import Transport
from cli.agent import agent, by_broker
from cli.api import api
from cli.collector import collector
from cli.database import sqlite_file
from cli.maintenance import maintenance
from cli.parts import Server, now
from cli.process import Part
from cli.schema import when_ready
from cli.settings import Loaded
from cli.watching import alarms
from collector.pipeline import Message, Pipeline
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.revision import state
from storage.secrets import mask_url
from storage.settings import DatabaseSettings

DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "agent": {"interval": 10},
    "alarms": {"interval": 10, "allow_networks": ("127.0.0.0/8", "::1/128")},
}
LOOK_EVERY_S = 2.0

log = structlog.get_logger()


def run(loaded: Loaded) -> int:
    """Every role in this process, until it is told to stop; returns the exit code."""
    settings, stop = loaded.settings, threading.Event()
    server = Server.of(settings)
    transport: Transport = Direct(server.pipeline)
    parts = [
        *api(server, partial(_tell, settings.database)),
        *alarms(server),
        *server.publishers(),
        maintenance(server),
    ]
    if settings.bus.notification_sources:
        parts.append(collector(server))
    if settings.bus.url is not None or settings.agent.transport == "bus":
        transport = by_broker(settings)
    parts.append(when_ready(agent(settings, transport, server.registry), server.database))
    if not _is_upgraded(server.database):
        parts.append(Part("schema", lambda stop: _upgrade_later(server.database, stop)))
    return server.run(parts, stop)


class Direct:
    """The way to the collector in the same process."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def send(self, body: bytes) -> None:
        """Returns when the batch is committed; raises PublisherUnavailable when the database is away."""
        self._pipeline.process([Message(body, "agent", now())])


def _upgrade_later(database: Database, stop: threading.Event) -> None:
    """Makes the schema current as soon as the database is there, then waits for the end."""
    while not stop.wait(LOOK_EVERY_S):
        if _is_upgraded(database):
            stop.wait()


def _is_upgraded(database: Database) -> bool:
    """Whether the schema is current now; False while the database is away."""
    try:
        if state(database).is_current:
            return True
        from storage.migrate import upgrade  # and with it alembic

        applied = upgrade(database)
    except DatabaseUnavailable:  # every part says so itself
        return False
    if applied:
        log.info("schema_upgraded", revisions=applied)
    return True


def _tell(kept_in: DatabaseSettings, url: str) -> None:
    place = sqlite_file(kept_in) or mask_url(kept_in.url)
    said = f"Nephometer is at {url} (API documentation: {url}/docs), its database is {place}. Ctrl-C ends it."
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
