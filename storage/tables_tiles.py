"""The tables of sealed samples, and what maintenance keeps to itself (docs/explanation/storage.md)."""

from sqlalchemy import Column, Integer, Table

from storage.tables import BY_GROUP, Big, Blob, ShortBlob, identifier, key, metadata

# The `mid` of the row that holds the stamps of a group; versions have the negative ones. It has
# those records once that are alike: storage.tiles.sharing.
STAMPS = 0


def _tiles(name: str) -> Table:
    return Table(
        name,
        metadata,
        key("gid"),
        key("mid"),  # a meter; 0 the stamps, -1, -2, … versions, of all meters that name this `line`
        key("start", big=True),  # beginning of the hours or day, microseconds since 1970 UTC
        Column("line", Integer, nullable=False),  # the `mid` of the versions of these readings
        Column(
            "slots", ShortBlob, nullable=False
        ),  # a bit for each slot that has a record, least significant first
        Column("w", Integer, nullable=False),  # bytes of a record
        Column("head", Blob, nullable=False),
        Column("raw", Blob, nullable=False),
        Column("tot", ShortBlob, nullable=False),  # sums over all records: storage.tiles.totals
        sqlite_with_rowid=False,
        info=BY_GROUP,
    )


tile = _tiles("tile")  # an hour each, or some of one block (storage.watermarks), until their day is compacted
day_tile = _tiles("day_tile")

# Hourly figures of each series of a day, with a lifetime of their own. The columns are those of tiles.
day_roll = _tiles("day_roll")

# When the resources of a group were seen in sealed hours: storage.tiles.sightings.
seen = Table(
    "seen",
    metadata,
    key("gid"),
    Column("body", ShortBlob, nullable=False),
    sqlite_with_rowid=False,
    info=BY_GROUP,
)

# How far maintenance came, microseconds since 1970 UTC: storage.watermarks.
watermark = Table(
    "watermark",
    metadata,
    Column("name", identifier(32), primary_key=True),
    Column("at", Big, nullable=False),
)

# Who does a piece of maintenance, and until when nobody else need try.
lease = Table(
    "lease",
    metadata,
    Column("name", identifier(32), primary_key=True),
    Column("holder", identifier(64), nullable=False),
    Column("until", Big, nullable=False),
)
