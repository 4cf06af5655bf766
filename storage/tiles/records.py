"""The records of one resource out of many tiles, unpacked together whatever their widths are.

What a head says is worked out once and kept: all resources of a group are read by the same heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import bits, rolls, sums
from storage.tiles.codec import Block, Opened, open_stamps, open_values, positions_of, without_sum
from storage.tiles.heads import SLOTS_MAX, Layout, missing_of, unpack_outliers
from storage.tiles.kinds import INTEGER, as_volumes

FIGURES: Final = frozenset(range(rolls.COUNT, rolls.SPREAD))
KEPT, SHORT = 2048, 4096  # heads that are kept, and the bytes of the longest of them
SETS, TOGETHER, FEW = (
    128,
    120,
    64,
)  # sets of records whose fields are kept, and the most records and points: 0.1 MB each

_ALL = (1 << 64) - 1
# Of each column of a record: the byte its base is at, the bit its deltas begin at, and their layout.
_AT, _START, _BASE_MASK, _BASE_SHIFT, _BASE, _WIDTH, _MASK, _SHIFT, _LEAST = range(9)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How the columns of a record of `size` bytes are read: a line of `table` and a kind for each; which have outliers.

    Two are the same if they are the same object.
    """

    numbers: tuple[int, ...]
    kinds: tuple[int, ...]
    slots: int
    points: int
    size: int
    table: bits.Words
    listed: tuple[tuple[int, bytes, Layout], ...]


class _Outliers(NamedTuple):
    """Deltas that stand in heads: whose they are, by record and rank in it, and where they go in the grid."""

    rank: bits.Octets
    record: NDArray[np.intp]
    line: NDArray[np.intp]
    place: NDArray[np.intp]
    delta: bits.Words


class _Fields(NamedTuple):
    """Where the fields of some records are: a row for each column, in `octet` and `offset` a place for each delta."""

    at: NDArray[np.intp]
    base_mask: bits.Words
    base_shift: bits.Words
    base: bits.Words
    octet: NDArray[np.intp]
    offset: bits.Octets
    is_wide: NDArray[np.bool_]
    mask: bits.Words
    shift: bits.Words
    least: bits.Words
    outliers: _Outliers


class Record(NamedTuple):
    """A record without its checksum, which was compared; `points` is how many values of each column are some.

    `positions` are those of the stamps it has readings at; None: all.
    """

    plan: Plan
    data: bytes
    rank: int
    points: int
    positions: tuple[int, ...] | None = None


def of_roll(head: bytes, record: bytes, rank: int) -> Record:
    """One record of hourly figures. Raises DamagedTile."""
    w = len(record)
    plan = _kept_roll(head, w) if len(head) <= SHORT else _roll(head, w)
    if rank >= plan.slots:
        raise DamagedTile("slots and records of hourly figures differ in number")
    return Record(plan, rolls.check_record(record, rank, w), rank, rolls.HOURS)


def of_tile(head: bytes, record: bytes, rank: int, *, is_stamps: bool) -> Record:
    """One record of a tile. Raises DamagedTile."""
    opened, plan = (_kept_tile if len(head) <= SHORT else _tile)(head, is_stamps)
    if rank >= plan.slots:
        raise DamagedTile("head and records of a tile do not belong together")
    data = without_sum(opened, record, rank)
    if not opened.layout.count_width and opened.positions is None:
        return Record(plan, data, rank, plan.points)
    count = plan.points - missing_of(head, opened.layout, rank)
    positions = positions_of(opened, head, rank)
    if count < 0 or (positions is not None and len(positions) != count):
        raise DamagedTile("positions and readings of a tile differ in number")
    return Record(plan, data, rank, count, None if positions is None else tuple(positions))


def unpacked(records: Sequence[Record]) -> Integers:
    """A row for each column of each record; beyond a record's `points` there is noise."""
    plans = tuple(record.plan for record in records)
    points = max(map(_points, plans))
    fields = (_kept_fields if len(plans) <= TOGETHER and points <= FEW else _fields)(plans, points)
    padded = b"".join([*(record.data for record in records), bytes(8 * points + bits.TAIL)])
    seen: bits.Words = np.ndarray(len(padded) - 7, "<u8", padded, 0, 1)
    grid = np.empty((len(fields.at), points), np.uint64)
    grid[:, 0] = ((seen[fields.at] & fields.base_mask) << fields.base_shift) + fields.base
    found = seen[fields.octet] >> fields.offset
    if fields.is_wide.any():
        ninth = np.frombuffer(padded, np.uint8)[fields.octet + 8].astype(np.uint64)
        found |= np.where(fields.is_wide, ninth << (64 - fields.offset.astype(np.uint64)), 0)
    np.bitwise_and(found, fields.mask, out=found)
    np.left_shift(found, fields.shift, out=found)
    np.add(found, fields.least, out=grid[:, 1:])
    if len(fields.outliers.rank):
        own, ranks = fields.outliers, np.array([record.rank for record in records], np.uint8)
        mine = own.rank == ranks[own.record]
        grid[own.line[mine], own.place[mine]] = own.delta[mine]
    return np.add.accumulate(grid, axis=1, out=grid).view(np.int64)


def volumes(kinds: Sequence[int], grid: Integers) -> Volumes:
    """A grid whose rows are of these kinds, as readings."""
    if len(set(kinds)) == 1:
        return as_volumes(kinds[0], grid)
    if INTEGER in kinds:
        raise DamagedTile("readings are integers in some tiles and floats in others")
    return np.stack([cast("Floats", as_volumes(kind, row)) for kind, row in zip(kinds, grid, strict=True)])


def _fields(plans: tuple[Plan, ...], points: int) -> _Fields:
    """Where records with these plans have their fields when they stand one after the other."""
    table = np.concatenate([plan.table for plan in plans])
    sizes = [plan.size for plan in plans]
    begin = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(plan.kinds) for plan in plans]).astype(np.uint64)
    width = table[:, _WIDTH, None]
    bit = (table[:, _START] + (begin << 3))[:, None] + width * np.arange(points - 1, dtype=np.uint64)
    return _Fields(
        at=(table[:, _AT] + begin).astype(np.intp),
        base_mask=table[:, _BASE_MASK],
        base_shift=table[:, _BASE_SHIFT],
        base=table[:, _BASE],
        octet=(bit >> 3).astype(np.intp),
        offset=(bit & 7).astype(np.uint8),
        is_wide=width > bits.WIDE,
        mask=table[:, _MASK, None],
        shift=table[:, _SHIFT, None],
        least=table[:, _LEAST, None],
        outliers=_outliers(plans),
    )


def _outliers(plans: Sequence[Plan]) -> _Outliers:
    """Those of all slots."""
    alike: dict[tuple[int, int], list[tuple[int, int, bytes, Layout]]] = {}
    line = 0
    for number, plan in enumerate(plans):
        for column, head, layout in plan.listed:
            sizes = layout.place_code, layout.delta_code
            alike.setdefault(sizes, []).append((number, line + column, head, layout))
        line += len(plan.kinds)
    found = [_NO_OUTLIERS]
    for some in alike.values():
        (rank, place), delta = unpack_outliers([(head, layout) for _, _, head, layout in some])
        counts = [layout.outliers for *_, layout in some]
        record, row = (np.repeat(numbers, counts) for numbers in list(zip(*some, strict=True))[:2])
        found.append(_Outliers(rank.astype(np.uint8), record, row, place + 1, delta.view(np.uint64)))
    return found[-1] if len(found) <= 2 else _Outliers(*map(np.concatenate, zip(*found, strict=True)))


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
    return Plan(tuple(numbers), tuple(kinds), slots, rolls.HOURS, w - sums.SIZE, table, tuple(listed))


def _tile(head: bytes, is_stamps: bool) -> tuple[Opened, Plan]:
    opened = open_stamps(head) if is_stamps else open_values(head)
    layout = opened.layout
    listed = ((0, head, layout),) if layout.outliers else ()
    table = np.array([_line(layout, 0)], np.uint64)
    size = layout.record_bytes
    return opened, Plan((0,), (opened.kind,), layout.slots, layout.points, size, table, listed)


_kept_roll, _kept_tile = lru_cache(KEPT)(_roll), lru_cache(KEPT)(_tile)
_kept_fields = lru_cache(SETS)(_fields)
_points: Final = attrgetter("points")
_NOWHERE: Final = np.zeros(0, np.intp)
_NO_OUTLIERS: Final = _Outliers(np.zeros(0, np.uint8), _NOWHERE, _NOWHERE, _NOWHERE, np.zeros(0, np.uint64))


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
