"""The maintenance of the store, as a part of every process that collects."""

import threading

import structlog

from cli.holder import holder
from cli.parts import Server, now
from cli.process import Part
from cli.schema import when_ready
from collector.maintenance import MaintenanceMetrics, maintenance_loop
from storage.database import Database
from storage.durability import weaknesses
from storage.errors import DatabaseUnavailable
from storage.upkeep.leases import Leases
from storage.upkeep.maintenance import Maintenance

log = structlog.get_logger()


def maintenance(server: Server) -> Part:
    """Keeps the store in order while no other process does."""
    settings, database = server.settings, server.intake
    loop = maintenance_loop(
        Maintenance(
            database, settings.maintenance, settings.retention, waits=True, kept_rows=server.kept_rows
        ),
        Leases(database),
        settings.maintenance,
        MaintenanceMetrics(server.registry),
        holder=holder(),
        clock=now,
    )

    def run(stop: threading.Event) -> None:
        warn_of_weaknesses(database)
        loop.run(stop)

    return when_ready(Part("maintenance", run), database)


def warn_of_weaknesses(database: Database) -> None:
    """Says in the log when the server does not keep what it commits."""
    try:
        weak = weaknesses(database)
    except DatabaseUnavailable:  # the loop says so itself
        return
    if weak:
        settings = {one.setting: one.value for one in weak}
        log.warning("durability_reduced", settings=settings, advice="see `nephometer doctor`")
