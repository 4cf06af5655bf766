"""More groups than one statement may name, or than a server takes bytes of."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from sqlalchemy import func, select

from storage.database import Database
from storage.tables_tiles import seen
from storage.tiles.layout import Series
from storage.tiles.rows import note_sightings

GROUPS = 4000  # 2560 bytes each


def readings() -> Iterator[Series]:
    slots = np.arange(100, dtype=np.int64)
    for ts in (5, 7):
        yield Series(slots, np.full(100, ts, np.int64), slots + 1, slots)


def test_when_many_groups_were_seen_is_noted(database: Database) -> None:
    for series, _ in product(readings(), range(2)):
        with database.write() as connection:
            note_sightings(connection, {gid: {1: series} for gid in range(1, GROUPS + 1)})

    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(seen)).scalar_one() == GROUPS
