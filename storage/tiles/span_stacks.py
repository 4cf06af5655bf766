"""The readings of a group in many hours or days, their tiles decoded together."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers, Volumes
from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles.codec import Block, Opened, is_whole, open_stamps, open_values, presence_of, without_sum
from storage.tiles.layout import SLOT_BITS, Series
from storage.tiles.roll_stacks import KEPT, SHORT
from storage.tiles.stacks import Part, unpack_stack, volumes_of

Counts = NDArray[np.intp]
Key = tuple[int, int]


class SpanRow(NamedTuple):
    """A row of a tile, the slots whose records are wanted, and (where that is one) its rank.

    With a rank `block.raw` is that record alone where records have checksums of their own, else all of them.
    `at`: which of all each slot has, where they share them.
    """

    slots: Integers
    block: Block
    rank: int | None = None
    at: Counts | None = None


class _Records(NamedTuple):
    """The series of some records; `places` are row and slot in one number.

    `marked`: of records that lack a reading at some stamp, the positions of the stamps they have one at.
    """

    places: Integers
    grid: Volumes
    counts: Counts
    marked: Mapping[int, Integers]


class SpanStack:
    """The stamps and versions of a group by beginning and mid, decoded when they are needed."""

    def __init__(self, rows: Mapping[Key, SpanRow]) -> None:
        self._rows = rows
        self._known: dict[tuple[Key, ...], _Records | None] = {}
        self._whole: dict[int, tuple[_Records, Integers, Integers]] = {}  # by id: slots and integers in a row

    def series(self, rows: Sequence[tuple[int, int, SpanRow]], *, versions: bool) -> Series | None:
        """The readings in rows of one meter (beginning, line, row), by row, slot and time; None where stamps miss.

        Without `versions` they are all 0. Meters with readings at all stamps share their arrays. Raises DamagedTile.
        """
        found = _records([row for _, _, row in rows], open_values)
        stamps = self._of([(start, STAMPS) for start, _, _ in rows])
        if stamps is None or (times := self._beside(stamps, found)) is None:
            return None
        slot, ts = times
        ver: Integers | None = None
        if versions:
            lines = self._of([(start, line) for start, line, _ in rows])
            if lines is None or (said := self._beside(lines, found)) is None:
                return None
            ver = said[1]
        volume = _flat(found.grid, found.counts)
        return Series(slot, ts, np.zeros(len(slot), np.int64) if ver is None else ver, volume)

    def _beside(self, some: _Records, found: _Records) -> tuple[Integers, Integers] | None:
        """The slot of each reading, and the stamp or version beside it; None where there are not as many."""
        if not _alike(some, found):
            beside = _beside(some, found)
            return None if beside is None else (_slots(found), beside)
        if id(some) not in self._whole:
            self._whole[id(some)] = some, _slots(some), cast("Integers", _flat(some.grid, some.counts))
        return self._whole[id(some)][1:]

    def _of(self, keys: Sequence[Key]) -> _Records | None:
        """The stamps or versions in these rows; None where one is missing."""
        key = tuple(keys)
        if key not in self._known:
            rows = [self._rows[one] for one in key if one in self._rows]
            opening = open_stamps if key[0][1] == STAMPS else open_values
            self._known[key] = _records(rows, opening) if len(rows) == len(key) else None
        return self._known[key]


def _records(rows: Sequence[SpanRow], opening: Callable[[bytes], Opened]) -> _Records:
    """All series of these rows."""
    parts, kinds, marked, begin = [], [], dict[int, Integers](), 0
    for row in rows:
        opened = (_kept if len(row.block.head) <= SHORT else _open)(row.block.head, opening)
        parts.append(_part(row, opened))
        if row.at is not None and opened.marked:
            raise DamagedTile("records that slots share have positions of their own")
        kinds.append(opened.kind)
        if opened.marked:
            for slot, positions in presence_of(opened, row.block.head).items():
                if row.rank in (None, slot):
                    marked[begin + (slot if row.rank is None else 0)] = positions
        begin += len(row.slots)
    grid, counts = unpack_stack(parts)
    if any(len(positions) != counts[record] for record, positions in marked.items()):
        raise DamagedTile("positions and readings of a tile differ in number")
    places = np.concatenate([place << SLOT_BITS | row.slots for place, row in enumerate(rows)])
    volumes, at = volumes_of(kinds, parts, grid), _shared(rows, parts)
    if at is not None:
        volumes, counts = cast("Volumes", np.ascontiguousarray(volumes)[at]), counts[at]
    return _Records(places, volumes, counts, marked)


def _shared(rows: Sequence[SpanRow], parts: Sequence[Part]) -> Counts | None:
    """Which of the records of all these parts, one after the other, each slot has; None: each its own."""
    if all(row.at is None for row in rows):
        return None
    found, begin = [], 0
    for row, part in zip(rows, parts, strict=True):
        found.append(begin + (np.arange(len(part.records)) if row.at is None else row.at))
        begin += len(part.records)
    return np.concatenate(found)


def _open(head: bytes, opening: Callable[[bytes], Opened]) -> Opened:
    return opening(head)


_kept = lru_cache(KEPT)(_open)


def _part(row: SpanRow, opened: Opened) -> Part:
    block, rank = row.block, row.rank
    if block.w != opened.w or (rank or 0) >= opened.layout.slots:
        raise DamagedTile("head and records of a tile do not belong together")
    if rank is not None:
        records = np.frombuffer(without_sum(opened, block.raw, rank), np.uint8)[None]
        return Part(block.head, opened.layout, records, rank)
    if len(block.raw) != block.w * opened.layout.slots or not is_whole(block.head, block.raw):
        raise DamagedTile("the records of a tile fail their checksum")
    records = np.frombuffer(block.raw, np.uint8).reshape(opened.layout.slots, block.w)
    known = len(row.slots) if row.at is None else int(row.at.max(initial=-1)) + 1
    if known != opened.layout.slots:
        raise DamagedTile("slots and records of a tile differ in number")
    return Part(block.head, opened.layout, records)


def _alike(some: _Records, found: _Records) -> bool:
    """Whether there is a reading at every place."""
    same = np.array_equal(some.places, found.places) and np.array_equal(some.counts, found.counts)
    return same and not found.marked


def _slots(found: _Records) -> Integers:
    slots: Integers = np.repeat(found.places & (1 << SLOT_BITS) - 1, found.counts)
    return slots


def _beside(some: _Records, found: _Records) -> Integers | None:
    """What stands at the same places: a stamp or version for each reading; None where there are not as many."""
    grid, counts = cast("Integers", some.grid), some.counts
    if not np.array_equal(some.places, found.places):
        at = np.minimum(np.searchsorted(some.places, found.places), len(some.places) - 1)
        if (some.places[at] != found.places).any():
            return None
        grid, counts = grid[at], counts[at]
    if not found.marked:
        return cast("Integers", _flat(grid, counts)) if np.array_equal(counts, found.counts) else None
    position = np.tile(np.arange(found.grid.shape[1]), (len(counts), 1))
    needed = found.counts.copy()
    for record, positions in found.marked.items():
        position[record, : len(positions)] = positions
        needed[record] = counts[record] if positions.max(initial=0) < counts[record] else -1
    if not np.array_equal(counts, needed):
        return None
    is_reading = np.arange(found.grid.shape[1]) < found.counts[:, None]
    position[~is_reading] = 0
    return np.take_along_axis(grid, position, axis=1)[is_reading]


def _flat(grid: Volumes, counts: Counts) -> Volumes:
    if int(counts.sum()) == grid.size:
        return grid.ravel()
    flat: Volumes = grid[np.arange(grid.shape[1]) < counts[:, None]]
    return flat
