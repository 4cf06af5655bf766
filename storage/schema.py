"""The whole schema: who needs every table takes `metadata` from here, which has those of all modules listed."""

from storage import (
    tables_alarms,
    tables_events,
    tables_lifecycle,
    tables_outgoing,
    tables_pipelines,
    tables_tiles,
)
from storage.tables import metadata

__all__ = ["MODULES", "metadata"]

MODULES = (tables_alarms, tables_events, tables_lifecycle, tables_outgoing, tables_pipelines, tables_tiles)
