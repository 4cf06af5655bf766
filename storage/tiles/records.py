"""Records out of many tiles, unpacked together whatever their widths are; `bundles` keeps where their fields are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import bits, rolls, sums
from storage.tiles.codec import Block, Opened, open_stamps, open_values
from storage.tiles.heads import SLOTS_MAX, Layout, unpack_outliers
from storage.tiles.kinds import INTEGER, as_volumes

FIGURES: Final = frozenset(range(rolls.COUNT, rolls.SPREAD))
KEPT, SHORT = 2048, 4096  # heads that are kept, and the bytes of the longest of them

_ALL = (1 << 64) - 1
_WORD: Final = np.dtype("<u8")
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
    """Deltas that stand in heads: whose they are, by number and rank, and where they go in the grid."""

    rank: bits.Octets
    number: NDArray[np.intp]
    line: NDArray[np.intp]
    place: NDArray[np.intp]
    delta: bits.Words


class Fields(NamedTuple):
    """Where the fields of some records are: in each array a row for each column, in which its base comes first.

    `shift` and `is_wide` are None where there is nothing to be shifted, or wide.
    """

    octet: NDArray[np.intp]
    offset: bits.Words
    mask: bits.Words
    least: bits.Words
    shift: bits.Words | None
    is_wide: NDArray[np.bool_] | None
    tail: bytes
    outliers: _Outliers
    owners: frozenset[tuple[int, int]]  # number and rank of whoever has outliers


def plan_of_roll(head: bytes, w: int) -> Plan:
    """Of a row of hourly figures whose records have `w` bytes. Raises DamagedTile."""
    return _kept_roll(head, w) if len(head) <= SHORT else _roll(head, w)


def plan_of_tile(head: bytes, w: int, *, is_stamps: bool) -> tuple[Opened, Plan]:
    """Of a tile, whose records have `w` bytes. Raises DamagedTile."""
    opened, plan = (_kept_tile if len(head) <= SHORT else _tile)(head, is_stamps)
    if w != plan.size + sums.SIZE:
        raise DamagedTile("head and records of a tile do not belong together")
    return opened, plan


def fields_of(plans: Sequence[Plan], numbers: Sequence[int], begins: Sequence[int]) -> Fields:
    """Where records with these plans have their fields, if they begin at these bytes; as many as the longest has.

    Whoever asks for the records of a slot has its ranks by `numbers`.
    """
    points = max(1, *(plan.points for plan in plans))
    table = np.concatenate([plan.table for plan in plans])
    begin = np.repeat(np.array(begins, np.uint64), [len(plan.kinds) for plan in plans])
    width = table[:, _WIDTH, None]
    deltas = (table[:, _START] + (begin << 3))[:, None] + width * np.arange(points - 1, dtype=np.uint64)
    bit = np.hstack([(table[:, _AT] + begin)[:, None] << 3, deltas])
    outliers = _outliers(plans, numbers)
    shift = _beside(table, _BASE_SHIFT, _SHIFT, points)
    is_wide = np.hstack([np.zeros((len(table), 1), bool), np.repeat(width > bits.WIDE, points - 1, axis=1)])
    return Fields(
        octet=(bit >> 3).astype(np.intp),
        offset=bit & np.uint64(7),
        mask=_beside(table, _BASE_MASK, _MASK, points),
        least=_beside(table, _BASE, _LEAST, points),
        shift=shift if shift.any() else None,
        is_wide=is_wide if is_wide.any() else None,
        tail=bytes(8 * points + bits.TAIL),
        outliers=outliers,
        owners=frozenset(zip(outliers.number.tolist(), outliers.rank.tolist(), strict=True)),
    )


def unpacked(fields: Fields, raw: bytes, ranks: Sequence[int]) -> Integers:
    """A row for each column of each record; beyond a record's points there is noise."""
    padded = raw + fields.tail
    seen: bits.Words = np.ndarray(len(padded) - 7, _WORD, padded, 0, 1)
    grid = seen.take(fields.octet)
    grid >>= fields.offset
    if fields.is_wide is not None:
        ninth = np.frombuffer(padded, np.uint8)[fields.octet + 8].astype(np.uint64)
        grid |= np.where(fields.is_wide, ninth << (64 - fields.offset), 0)
    grid &= fields.mask
    if fields.shift is not None:
        grid <<= fields.shift
    grid += fields.least
    if fields.owners and not fields.owners.isdisjoint(enumerate(ranks)):
        own = fields.outliers
        mine = own.rank == np.array(ranks)[own.number]
        grid[own.line[mine], own.place[mine]] = own.delta[mine]
    return np.add.accumulate(grid, axis=1, out=grid).view(np.int64)


def volumes(kinds: Sequence[int], grid: Integers) -> Volumes:
    """A grid whose rows are of these kinds, as readings."""
    if len(set(kinds)) == 1:
        return as_volumes(kinds[0], grid)
    if INTEGER in kinds:
        raise DamagedTile("readings are integers in some tiles and floats in others")
    return np.stack([cast("Floats", as_volumes(kind, row)) for kind, row in zip(kinds, grid, strict=True)])


def _beside(table: bits.Words, base: int, delta: int, points: int) -> bits.Words:
    """What a column of the table says of the bases, and then another of as many deltas."""
    return np.hstack([table[:, base, None], np.repeat(table[:, delta, None], points - 1, axis=1)])


def _outliers(plans: Sequence[Plan], numbers: Sequence[int]) -> _Outliers:
    """Those of all slots."""
    alike: dict[tuple[int, int], list[tuple[int, int, bytes, Layout]]] = {}
    line = 0
    for own, plan in zip(numbers, plans, strict=True):
        for column, head, layout in plan.listed:
            sizes = layout.place_code, layout.delta_code
            alike.setdefault(sizes, []).append((own, line + column, head, layout))
        line += len(plan.kinds)
    found = [_NO_OUTLIERS]
    for some in alike.values():
        (rank, place), delta = unpack_outliers([(head, layout) for _, _, head, layout in some])
        counts = [layout.outliers for *_, layout in some]
        number, row = (np.repeat(column, counts) for column in list(zip(*some, strict=True))[:2])
        found.append(_Outliers(rank.astype(np.uint8), number, row, place + 1, delta.view(np.uint64)))
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
    if not opened.checked:
        raise DamagedTile("the records of a tile lack their checksums")
    return opened, Plan((0,), (opened.kind,), layout.slots, layout.points, size, table, listed)


_kept_roll, _kept_tile = lru_cache(KEPT)(_roll), lru_cache(KEPT)(_tile)
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
