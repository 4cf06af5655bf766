from alembic import context

from storage import (
    tables_alarms,
    tables_events,
    tables_lifecycle,
    tables_outgoing,
    tables_pipelines,
    tables_tiles,
)
from storage.tables import metadata

__all__ = [
    "tables_alarms",
    "tables_events",
    "tables_lifecycle",
    "tables_outgoing",
    "tables_pipelines",
    "tables_tiles",
]


def run() -> None:
    config = context.config
    connection = config.attributes.get("connection")
    if connection is None:
        context.configure(url=config.attributes["url"], target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()


run()
