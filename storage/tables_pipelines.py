"""Tables of the transformers of pipelines: how far they came, and what they remember of the samples before.

They are small and written by one process at a time: on a cluster they stay with the coordinator.
"""

from sqlalchemy import Column, Index, Table

from storage.tables import Big, Blob, Digest, identifier, metadata

# Until when samples were transformed, microseconds since 1970 UTC.
pipeline_position = Table(
    "pipeline_position",
    metadata,
    Column("name", identifier(32), primary_key=True),
    Column("at", Big, nullable=False),
)

# What a sink remembers of a resource, or (`owner` all zeros) whatever the resource.
pipeline_state = Table(
    "pipeline_state",
    metadata,
    Column("sink", Digest, primary_key=True),  # of its name and transformers: changed ones begin anew
    Column("owner", Digest, primary_key=True),  # of project and resource
    Column("at", Big, nullable=False),  # the position when it was written
    Column("waits", Big),  # since when something of it waits for the end of its cycle
    Column("body", Blob, nullable=False),
    Index("ix_pipeline_state_waits", "sink", "waits"),
    Index("ix_pipeline_state_at", "at"),
    sqlite_with_rowid=False,
)
