"""Tables of events (docs/decisions/0113-events-store.md); times are microseconds since 1970, UTC.

What is searched for stands as a 64-bit digest: rows are small, and whoever reads them looks whether it is meant.
On a cluster events stay with the coordinator: they are few beside samples.
"""

from sqlalchemy import Column, Index, Table

from storage.tables import Big, Blob, LongText, identifier, key, metadata

event = Table(
    "event",
    metadata,
    key("ts", big=True),  # when it happened
    key("k", big=True),  # of `Event.id`: its first 8 bytes
    Column("m", Big, nullable=False),  # of the message id
    Column("kind", Big, nullable=False),  # of the event type
    Column("owner", Big, nullable=False),  # of the project; 0: nobody's
    Column("shape", Big, nullable=False),  # which traits it has
    Column("recv", Big, nullable=False),  # when it arrived
    Column("body", Blob, nullable=False),  # who sent it, and the values of its traits: storage.event_rows
    Column("payload", Blob, nullable=False),  # compressed; empty where it is not kept
    # An event counts once, whatever time it says when it comes again.
    Index("ux_event_message", "m", "k", unique=True),
    Index("ix_event_kind", "kind", "ts", "k"),
    Index("ix_event_owner", "owner", "ts", "k"),
)

# Where the events are of which a trait names something: a row for each value of `storage.event_rows.facets`.
event_facet = Table(
    "event_facet",
    metadata,
    key("h", big=True),
    key("ts", big=True),
    key("k", big=True),
    sqlite_with_rowid=False,
)

# Which traits events of a type have, once for each combination; never deleted, as writers know what there is.
event_shape = Table(
    "event_shape",
    metadata,
    key("shape", big=True),
    Column("kind", Big, nullable=False),
    Column("event_type", identifier(), nullable=False),
    Column("traits", LongText, nullable=False),  # JSON: a list of [name, type], in the order of the values
)
