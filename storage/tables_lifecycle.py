"""Tables of the lives of resources; times are microseconds since 1970, UTC.

A resource may change its project, so nothing here is spread by the groups of its samples but by its own id.
"""

from sqlalchemy import Column, Index, SmallInteger, Table

from storage.tables import DISTRIBUTE, Big, Digest, LongText, identifier, metadata

BY_RESOURCE = {DISTRIBUTE: "resource_id"}

# What was learned, as `storage.fact` says; null: nothing is said of it.
fact = Table(
    "fact",
    metadata,
    Column("resource_id", identifier(), primary_key=True),
    Column("id", Digest, primary_key=True),
    Column("kind", identifier(32), nullable=False),
    Column("what", SmallInteger, nullable=False),  # place in storage.fact.WHATS
    Column("evidence", SmallInteger, nullable=False),  # place in storage.fact.EVIDENCES
    Column("at", Big, nullable=False),
    Column("until", Big, nullable=False),  # of what is seen: when it was seen last
    Column("project_id", identifier()),
    Column("type", identifier()),
    Column("size", Big),
    Column("status", identifier()),
    Column("zone", identifier()),
    Column("name", identifier()),
    Column("more", LongText),  # JSON object
    sqlite_with_rowid=False,
    info=BY_RESOURCE,
)

# Which resources a project has or had, and when at most: found without computing the chain of each.
life = Table(
    "life",
    metadata,
    Column("resource_id", identifier(), primary_key=True),
    Column("kind", identifier(32), primary_key=True),
    Column("project_id", identifier(), primary_key=True),  # "" is nobody's
    Column("began", Big, nullable=False),  # not later than it did
    Column("ended", Big),  # not earlier than it did; null: nobody said that it ended
    Index("ix_life_project", "project_id", "kind", "resource_id"),
    sqlite_with_rowid=False,
    info=BY_RESOURCE,
)
