"""Tables of what is owed to other systems; times are microseconds since 1970, UTC.

`outlet` is the digest of a publisher's name. `outgoing.attempts` grows with every lease, so it fences a paused worker
off. Both stay with the coordinator of a cluster: they are a queue, not a store.
"""

from sqlalchemy import Column, Index, Integer, SmallInteger, Table

from storage.tables import Big, Blob, Digest, LongText, identifier, metadata

outgoing = Table(
    "outgoing",
    metadata,
    Column("outlet", Digest, primary_key=True),
    Column("at", Big, primary_key=True, autoincrement=False),  # when it was put here: oldest first
    Column("id", Digest, primary_key=True),
    Column("state", SmallInteger, nullable=False),  # 0: waits; 1: refused for good and set aside
    Column("kind", identifier(16), nullable=False),  # samples, events
    Column("pieces", Integer, nullable=False),  # how many of them
    Column("size", Integer, nullable=False),  # bytes of the body
    Column("attempts", Integer, nullable=False),
    Column("due_at", Big, nullable=False),  # while an attempt runs: when its lease ends
    Column("reason", LongText),  # why it was set aside
    Column("body", Blob, nullable=False),
    Index("ix_outgoing_waiting", "outlet", "state", "at", "size"),
)

outlet = Table(
    "outlet",
    metadata,
    Column("outlet", Digest, primary_key=True),
    Column("name", LongText, nullable=False),
    Column("error", LongText),  # None: the last attempt worked
    Column("failing_since", Big),
    Column("dropped", Big, nullable=False),  # samples and events that waited too long or were too many
)
