"""The records of one resource out of many tiles, unpacked together whatever their widths are.

What a head says is worked out once and kept: all resources of a group are read by the same heads.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, cast

import numpy as np

from storage.columns import Floats, Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import bits, rolls
from storage.tiles.codec import Block, Opened, open_stamps, open_values, positions_of, without_sum
from storage.tiles.heads import SLOTS_MAX, Layout, missing_of, outliers_of
from storage.tiles.kinds import INTEGER, as_volumes

FIGURES: Final = frozenset(range(rolls.COUNT, rolls.SPREAD))
KEPT, SHORT = 2048, 4096  # heads that are kept, and the bytes of the longest of them

_ALL = (1 << 64) - 1
# Of each column of a record: the byte its base is at, the bit its deltas begin at, and their layout.
_AT, _START, _BASE_MASK, _BASE_SHIFT, _BASE, _WIDTH, _MASK, _SHIFT, _LEAST = range(9)


class Plan(NamedTuple):
    """How the columns of a record are read: a line of `table` and a kind for each, and which have outliers."""

    numbers: tuple[int, ...]
    kinds: tuple[int, ...]
    slots: int
    points: int
    table: bits.Words
    listed: tuple[tuple[int, bytes, Layout], ...]


class Record(NamedTuple):
    """A record without its checksum, which was compared; `points` is how many values of each column are some.

    `positions` are those of the stamps it has readings at; None: all.
    """

    plan: Plan
    data: bytes
    rank: int
    points: int
    positions: tuple[int, ...] | None = None


def of_roll(block: Block, rank: int) -> Record:
    """A record of hourly figures: `block.raw` is that alone. Raises DamagedTile."""
    head, w = block.head, block.w
    plan = _kept_roll(head, w) if len(head) <= SHORT else _roll(head, w)
    if rank >= plan.slots:
        raise DamagedTile("slots and records of hourly figures differ in number")
    return Record(plan, rolls.check_record(block.raw, rank, w), rank, rolls.HOURS)


def of_tile(head: bytes, record: bytes, rank: int, *, is_stamps: bool) -> Record:
    """One record of a tile. Raises DamagedTile."""
    opened, plan = (_kept_tile if len(head) <= SHORT else _tile)(head, is_stamps)
    if rank >= plan.slots:
        raise DamagedTile("head and records of a tile do not belong together")
    count = opened.layout.points - missing_of(head, opened.layout, rank)
    positions = positions_of(opened, head, rank)
    if count < 0 or (positions is not None and len(positions) != count):
        raise DamagedTile("positions and readings of a tile differ in number")
    return Record(
        plan, without_sum(opened, record, rank), rank, count, None if positions is None else tuple(positions)
    )


def unpacked(records: Sequence[Record]) -> Integers:
    """A row for each column of each record; beyond a record's `points` there is noise."""
    points = max(record.plan.points for record in records)
    table = np.concatenate([record.plan.table for record in records])
    sizes = [len(record.data) for record in records]
    begins = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(record.plan.kinds) for record in records])
    padded = b"".join([*(record.data for record in records), bytes(8 * points + bits.TAIL)])
    seen: bits.Words = np.ndarray(len(padded) - 7, "<u8", padded, 0, 1)
    begin: bits.Words = begins.astype(np.uint64)
    grid = np.empty((len(table), points), np.uint64)
    base = (seen[table[:, _AT] + begin] & table[:, _BASE_MASK]) << table[:, _BASE_SHIFT]
    grid[:, 0] = base + table[:, _BASE]
    width = table[:, _WIDTH, None]
    bit: bits.Words = (table[:, _START] + (begin << 3))[:, None] + width * np.arange(
        points - 1, dtype=np.uint64
    )
    octet, offset = bit >> 3, bit & 7
    fields = seen[octet] >> offset
    if (width > bits.WIDE).any():
        ninth = np.frombuffer(padded, np.uint8)[octet + 8].astype(np.uint64)
        fields |= np.where(width > bits.WIDE, ninth << (64 - offset), 0)
    grid[:, 1:] = ((fields & table[:, _MASK, None]) << table[:, _SHIFT, None]) + table[:, _LEAST, None]
    _put_outliers(grid, records)
    return np.add.accumulate(grid, axis=1, out=grid).view(np.int64)


def volumes(kinds: Sequence[int], grid: Integers) -> Volumes:
    """A grid whose rows are of these kinds, as readings."""
    if len(set(kinds)) == 1:
        return as_volumes(kinds[0], grid)
    if INTEGER in kinds:
        raise DamagedTile("readings are integers in some tiles and floats in others")
    return np.stack([cast("Floats", as_volumes(kind, row)) for kind, row in zip(kinds, grid, strict=True)])


def _put_outliers(grid: bits.Words, records: Sequence[Record]) -> None:
    begin = 0
    for plan, _, rank, *_ in records:
        for column, head, layout in plan.listed:
            for place, delta in outliers_of(head, layout, rank):
                if place >= layout.deltas:
                    raise DamagedTile("a tile lists an outlier where it has no reading")
                grid[begin + column, place + 1] = delta & _ALL
        begin += len(plan.kinds)


def _roll(head: bytes, w: int) -> Plan:
    numbers: list[int] = []
    kinds, lines, listed, slots = [], [], [], SLOTS_MAX
    for number, at, width, own in rolls.columns_of(Block(w, head, b"")):
        if number not in FIGURES:
            continue
        opened = open_values(own)
        layout = opened.layout
        if opened.w != width or layout.points != rolls.HOURS or layout.count_width or opened.checked:
            raise DamagedTile("head and records of hourly figures do not belong together")
        if layout.outliers:
            listed.append((len(numbers), own, layout))
        numbers.append(number)
        kinds.append(opened.kind)
        lines.append(_line(layout, at))
        slots = min(slots, layout.slots)
    table = np.array(lines, np.uint64).reshape(-1, _LEAST + 1)
    return Plan(tuple(numbers), tuple(kinds), slots, rolls.HOURS, table, tuple(listed))


def _tile(head: bytes, is_stamps: bool) -> tuple[Opened, Plan]:
    opened = open_stamps(head) if is_stamps else open_values(head)
    layout = opened.layout
    listed = ((0, head, layout),) if layout.outliers else ()
    table = np.array([_line(layout, 0)], np.uint64)
    return opened, Plan((0,), (opened.kind,), layout.slots, layout.points, table, listed)


_kept_roll, _kept_tile = lru_cache(KEPT)(_roll), lru_cache(KEPT)(_tile)


def _line(layout: Layout, at: int) -> tuple[int, ...]:
    return (
        at,
        8 * (at + layout.base_bytes),
        (1 << 8 * layout.base_bytes) - 1,
        layout.base_shift,
        layout.base & _ALL,
        layout.width,
        (1 << layout.width) - 1,
        layout.shift,
        layout.least & _ALL,
    )
