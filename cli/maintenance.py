"""The maintenance of the store, as a part of every process that collects."""

import os
import secrets
import socket

from cli.parts import Server, now
from cli.process import Part
from cli.schema import when_ready
from collector.maintenance import MaintenanceLoop, MaintenanceMetrics
from storage.leases import Leases
from storage.maintenance import Maintenance

HOST_CHARACTERS = 40  # of 64 the name of a holder may have


def maintenance(server: Server) -> Part:
    """Keeps the store in order while no other process does."""
    settings, database = server.settings, server.database
    loop = MaintenanceLoop(
        Maintenance(database, settings.maintenance, settings.retention),
        Leases(database),
        settings.maintenance,
        MaintenanceMetrics(server.registry),
        holder=f"{socket.gethostname()[:HOST_CHARACTERS]}/{os.getpid()}/{secrets.token_hex(4)}",
        clock=now,
    )
    return when_ready(Part("maintenance", loop.run), database)
