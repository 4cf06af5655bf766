"""What a process sealed itself is compacted without reading it, where nobody changed it meanwhile."""

import random
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from storage.database import Database
from storage.reading.sealed import whole_series
from storage.reading.tiled import Piece
from storage.tables_tiles import STAMPS, tile
from storage.tiles.kept_days import KeptDays
from storage.tiles.layout import Series, TileRow
from storage.tiles.rows import Meters, merged_meters
from storage.tiles.seal import Sealer
from storage.watermarks import DAY
from tests.factories import NOW
from tests.storage.layers import Maintained, batches, history

Days = dict[tuple[int, int], dict[int, Series]]


class Noting(KeptDays):
    """Keeps what it was given, too."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.given: list[tuple[int, Meters, int, Sequence[TileRow]]] = []

    def keep(self, gid: int, meters: Meters, start: int, rows: Sequence[TileRow]) -> None:
        """As the other one."""
        self.given.append((gid, meters, start, rows))
        super().keep(*self.given[-1])


class Remembered:
    """A store with some days of hour tiles, and what its sealer remembers of them."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database, self.kept_days = database, Noting(1_000_000)
        store = Maintained(database)
        self.store = store
        for batch in batches(random.Random(seed), history(seed, hours=30, every_s=1800)):
            store.store(batch)
        sealer = Sealer(database, grace=timedelta(minutes=10), kept_days=self.kept_days)
        sealer.close(NOW)
        while sealer.step():
            pass

    def again(self, *, most: int) -> "Remembered":
        """The same store, as somebody remembers it who has less room."""
        other = copy(self)
        other.kept_days = Noting(most)
        for step in self.kept_days.given:
            other.kept_days.keep(*step)
        return other

    def read(self) -> Days:
        """All there is in hour tiles."""
        found: Days = {}
        with self.database.read() as connection:
            for gid, start in connection.execute(
                select(tile.c.gid, tile.c.start).where(tile.c.mid == STAMPS)
            ):
                found[gid, start - start % DAY] = {}
            for gid, day in found:
                piece = Piece(gid, None, None, day, day + DAY)
                parts: dict[int, list[Series]] = {}
                for mid, series in whole_series(connection, tile, piece):
                    parts.setdefault(mid, []).append(series)
                found[gid, day] = merged_meters(parts)
        return found

    def known(self) -> Days:
        """The same of what is remembered."""
        found: Days = {}
        with self.database.read() as connection:
            for gid, day in self.read():
                parts = self.kept_days.taken(connection, gid, day)
                if parts is not None:
                    found[gid, day] = merged_meters(parts)
        return found


@pytest.mark.parametrize("seed", range(4))
def test_what_was_sealed_is_remembered_as_it_would_be_read(database: Database, seed: int) -> None:
    store = Remembered(database, seed)

    known, read = store.known(), store.read()

    assert known.keys() == read.keys()
    for key, meters in read.items():
        assert meters.keys() == known[key].keys()
        for mid, series in meters.items():
            for name in ("slot", "ts", "ver", "volume"):
                there, remembered = getattr(series, name), getattr(known[key][mid], name)
                assert np.array_equal(there.view(np.int64), remembered.view(np.int64))
    assert store.known() == {}


def test_days_in_which_late_samples_came_are_read(database: Database) -> None:
    store = Remembered(database, 7)
    before = store.read()
    one = history(7, hours=30)[0]
    store.store.store([replace(one, timestamp=one.timestamp + timedelta(seconds=7))])

    assert store.store.reseal() == 1

    changed = {key for key, meters in store.read().items() if _count(meters) != _count(before[key])}
    assert len(changed) == 1
    assert store.known().keys() == before.keys() - changed


def test_a_step_that_was_undone_is_remembered_once(database: Database) -> None:
    store = Remembered(database, 3)
    for step in list(store.kept_days.given):
        store.kept_days.keep(*step)

    known, read = store.known(), store.read()

    assert {key: _count(meters) for key, meters in known.items()} == {
        key: _count(meters) for key, meters in read.items()
    }


def test_of_more_than_there_is_room_for_the_latest_days_are_kept(database: Database) -> None:
    store = Remembered(database, 3)
    read = store.read()
    last = max(day for _, day in read)
    small = store.again(most=sum(_count(read[key]) for key in read if key[1] == last))

    assert small.known().keys() == {key for key in read if key[1] == last}
    assert store.again(most=10).known() == {}


def _count(meters: Meters) -> int:
    return sum(len(series.ts) for series in meters.values())
