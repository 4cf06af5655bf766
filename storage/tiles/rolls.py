"""Hourly figures of each series of a day, beside its day tile: what a month by the hour is answered from.

A row has the columns it needs, each a tile of 24 values per slot; a record is what a slot has in each of them, one
after the other, and a checksum. Hours without a reading have the count 0 and a neighbour's values, which cost nothing.
When the readings of a meter are at every stamp of their slots, counts and times are those of the row of stamps.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from struct import Struct
from typing import cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes, is_real
from storage.errors import DamagedTile
from storage.tiles import heads, sharing, sums
from storage.tiles.codec import Block, decode_values, decode_values_of, encode_spans
from storage.tiles.kinds import DECIMALS, EXACT, as_integers, as_volumes
from storage.watermarks import DAY, HOUR

# The columns by number. Integer sums are `EXCESS` over count * (least + range / 2), or HIGH and LOW over count * least
# where that is beyond int64.
COUNT, FIRST, LAST, LEAST, RANGE, EXCESS, HIGH, LOW, TOTAL, SPREAD = range(10)
# Of cumulative meters: the first reading over the least, the most over the last, what restarts within the hour add
# to last - first, and the versions of the first and last reading.
OPENING, CLOSING, RESTARTED, FIRST_VERSION, LAST_VERSION = range(10, 15)
SQUARES = 15  # instead of SPREAD: count times it, where that is an integer

HOURS = 24
Grids = Mapping[int, Volumes]
Counts = NDArray[np.intp]

_SQUARES_BELOW = float(1 << 31)  # count times the range: its square is below 2**62
_UNIT = np.uint32(0xFF)  # the bits of a float32 that are left out of SPREAD
_HALF_UNIT = np.uint32(0x80)
_COLUMN = Struct("<BHH")  # number, bytes in a record, bytes of the head
_HEAD_SUM = Struct("<I")
_SLOTS_AT = _COLUMN.size + heads.PREFIX


def encode_roll(grids: Grids) -> Block:
    """The columns (number: one value per slot and hour, slot by slot) as the head and records of a row."""
    return encode_rolls([grids])[0]


def encode_rolls(rows: Sequence[Grids]) -> list[Block]:
    """The same of several rows; those with equally many slots are encoded in one go."""
    alike: dict[int, list[int]] = {}
    for place, grids in enumerate(rows):
        alike.setdefault(len(next(iter(grids.values()))) // HOURS, []).append(place)
    found: dict[int, Block] = {}
    for slots, places in alike.items():
        columns = [(None, [rows[place][number] for number in sorted(rows[place])]) for place in places]
        encoded = encode_spans(columns, np.full(slots, HOURS, np.intp))
        found |= {
            place: _joined(sorted(rows[place]), blocks, slots)
            for place, blocks in zip(places, encoded, strict=True)
        }
    return [found[place] for place in range(len(rows))]


def _joined(numbers: Sequence[int], blocks: Sequence[Block], slots: int) -> Block:
    """A row of these columns, which have these numbers."""
    heads, parts = [], []
    for number, block in zip(numbers, blocks, strict=True):
        heads.append(_COLUMN.pack(number, block.w, len(block.head)) + block.head)
        parts.append(np.frombuffer(block.raw, np.uint8).reshape(slots, block.w))
    records = np.hstack(parts)
    head = b"".join(heads)
    w = records.shape[1] + sums.SIZE
    return Block(w, head + _HEAD_SUM.pack(crc32(head)), sums.with_sums(records))


def encode_shared(slots: Integers, grids: Grids) -> Block:
    """The same of these slots, where those that are alike share a record."""
    stack = np.hstack([column.reshape(-1, HOURS) for column in grids.values()]).view(np.int64)
    firsts, at = sharing.different(stack.ravel(), np.full(len(stack), stack.shape[1], np.intp))
    return sharing.share(
        encode_roll({number: of_records(grids[number], firsts) for number in grids}), slots, at
    )


def of_records(column: Volumes, at: NDArray[np.intp]) -> Volumes:
    """The values of these records, one after the other; raises DamagedTile where there are not as many."""
    rows = column.reshape(-1, HOURS)
    if at.max(initial=-1) >= len(rows):
        raise DamagedTile("slots and records of hourly figures differ in number")
    found: Volumes = rows[at].ravel()
    return found


def slots_in(head: bytes) -> int:
    """How many slots the head of a row says it knows; its checksum is not compared."""
    return head[_SLOTS_AT] if len(head) > _SLOTS_AT else 0


def columns_in(block: Block) -> list[int]:
    """The numbers of the columns a row has, as they stand in its head; raises DamagedTile."""
    return [number for number, _, _, _ in columns_of(block)]


def decode_roll(block: Block, wanted: frozenset[int]) -> dict[int, Volumes]:
    """Those of the wanted columns the row has, as they were encoded; raises DamagedTile."""
    if block.w <= 0 or len(block.raw) % block.w:
        raise DamagedTile("the records of hourly figures are cut off")
    raw = np.frombuffer(block.raw, np.uint8).reshape(-1, block.w)
    found: dict[int, Volumes] = {}
    for number, at, w, head in columns_of(block):
        if number in wanted:
            column = Block(w, head, raw[:, at : at + w].tobytes())
            found[number] = decode_values(column)[0].flat
    return found


def decode_roll_of(block: Block, record: bytes, rank: int, wanted: frozenset[int]) -> dict[int, Volumes]:
    """`decode_roll` of one record alone; `block.raw` is not looked at."""
    data = check_record(record, rank, block.w)
    found: dict[int, Volumes] = {}
    for number, at, w, head in columns_of(block):
        if number in wanted:
            values, _ = decode_values_of(head, data[at : at + w], rank, w)
            found[number] = np.asarray(values)
    return found


def check_record(record: bytes, rank: int, w: int) -> bytes:
    """A record of `w` bytes without its checksum, which is compared."""
    data, checksum = record[: -sums.SIZE], record[-sums.SIZE :]
    if len(record) != w or sums.sum_of(data, rank) != checksum:
        raise DamagedTile("a record of hourly figures fails its checksum")
    return data


class Cells:
    """Which hour of which slot each of some readings (by slot and time, all of one day) is in."""

    def __init__(self, slot: Integers, ts: Integers) -> None:
        self.slots = slot[np.flatnonzero(np.diff(slot, prepend=-1))]
        hours = slot * HOURS + ts % DAY // HOUR
        self.begins = np.flatnonzero(np.diff(hours, prepend=-1))
        self.ends = np.append(self.begins[1:], len(ts)) - 1
        self.sizes = np.diff(self.begins, append=len(ts))
        self._hours = hours[self.begins]
        self._cells = np.searchsorted(self.slots, self._hours // HOURS) * HOURS + self._hours % HOURS

    def grid(self, column: Volumes, *, fill: bool = True) -> Volumes:
        """A value for each hour of each slot; empty hours have their neighbour's, or 0 without `fill`."""
        size = len(self.slots) * HOURS
        if len(self._cells) == size:
            return column
        if not fill:
            whole: Volumes = np.zeros(size, column.dtype)  # type: ignore[assignment]  # of the same kind
            whole[self._cells] = column
            return whole
        return column[self._neighbours]

    @cached_property
    def _neighbours(self) -> Counts:
        """Of each hour of each slot, which of the hours with readings it has its value of."""
        every = np.arange(len(self.slots) * HOURS)
        before = np.maximum(np.searchsorted(self._cells, every, side="right") - 1, 0)
        # A slot's first hours have its first value, not the last one of the slot before.
        own = self._cells[before] // HOURS == every // HOURS
        return np.where(own, before, np.minimum(before + 1, len(self._cells) - 1))

    def times(self, ts: Integers) -> dict[int, Volumes]:
        """COUNT, FIRST and LAST (microseconds within the hour)."""
        return {
            COUNT: self.grid(self.sizes, fill=False),
            FIRST: self.grid(ts[self.begins] % HOUR),
            LAST: self.grid(ts[self.ends] % HOUR),
        }


def hourly_values(cells: Cells, volume: Volumes) -> dict[int, Volumes]:
    """LEAST, RANGE (of real meters: the most) and the sum of readings.

    No TOTAL where the sum of floats is no float.
    """
    begins = cells.begins
    least = np.minimum.reduceat(volume, begins)
    most = np.maximum.reduceat(volume, begins)
    if is_real(volume):
        columns = {LEAST: least, RANGE: most}
        if (total := _sums(volume, begins)) is not None:
            columns[TOTAL] = total
    else:
        columns = {LEAST: least, RANGE: most - least}  # wraps, as the codec does
        excess = (volume - np.repeat(least, cells.sizes)).view(np.uint64)
        high = np.add.reduceat(excess >> np.uint64(32), begins).astype(np.int64)
        low = np.add.reduceat(excess & np.uint64(0xFFFFFFFF), begins).astype(np.int64)
        high, low = high + (low >> 32), low & 0xFFFFFFFF
        if high.max() < 1 << 31:
            columns[EXCESS] = (high << 32 | low) - _half(cells.sizes, columns[RANGE])
        else:
            columns[HIGH], columns[LOW] = high, low
    return {number: cells.grid(column) for number, column in columns.items()}


def hourly_spread(cells: Cells, volume: Volumes) -> dict[int, Volumes]:
    """The sum of squares of the distances to the mean of the hour: SQUARES of integers, if it fits, else SPREAD.

    SPREAD has five digits, which halves its bytes; nothing is kept beyond 1e38.
    """
    if not is_real(volume) and (squares := _squares(cells, cast("Integers", volume))) is not None:
        return {SQUARES: cells.grid(squares)}
    floats = volume.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduceat(floats, cells.begins) / cells.sizes
        spread = np.add.reduceat((floats - np.repeat(mean, cells.sizes)) ** 2, cells.begins)
        pattern = spread.astype(np.float32).view(np.uint32)
        rounded = ((pattern + _HALF_UNIT) & ~_UNIT).view(np.float32).astype(np.float64)
    return {SPREAD: cells.grid(rounded)} if np.isfinite(rounded).all() else {}


def excess(found: Mapping[int, Volumes]) -> Integers:
    """What the sums are over count * least, told by COUNT, RANGE and EXCESS."""
    count, ranges, over = (cast("Integers", found[number]) for number in (COUNT, RANGE, EXCESS))
    return over + _half(count, ranges)


def spread_of(found: Mapping[int, Volumes]) -> Floats | None:
    """The sum of squares of the distances to the mean, of hours with a reading; None where it is not kept."""
    if SQUARES in found:
        return found[SQUARES] / found[COUNT]
    return cast("Floats | None", found.get(SPREAD))


def hourly_counters(cells: Cells, volume: Volumes, ver: Integers, generation: Integers) -> dict[int, Volumes]:
    """What usage of a cumulative meter is counted from; `generation` has a number for each life of the counter."""
    begins = cells.begins
    first, last = volume[begins], volume[cells.ends]
    earlier, later = volume[:-1], volume[1:]
    restart = np.zeros(len(volume), bool)
    restart[1:] = (generation[1:] != generation[:-1]) | (later < earlier)
    restart[begins] = False
    added = np.zeros_like(volume)
    added[1:][restart[1:]] = earlier[restart[1:]]
    columns = {
        OPENING: first - np.minimum.reduceat(volume, begins),
        CLOSING: np.maximum.reduceat(volume, begins) - last,
        RESTARTED: np.add.reduceat(added, begins),
        FIRST_VERSION: ver[begins],
        LAST_VERSION: ver[cells.ends],
    }
    return {number: cells.grid(column) for number, column in columns.items()}


def _half(count: Integers, ranges: Volumes) -> Integers:
    """What readings in the middle between least and most would add to count * least; wraps."""
    return count * cast("Integers", ranges) >> 1


def _squares(cells: Cells, volume: Integers) -> Integers | None:
    """SQUARES; None where they may be beyond int64."""
    above = volume - np.repeat(np.minimum.reduceat(volume, cells.begins), cells.sizes)
    if above.min() < 0 or float(above.max()) * float(cells.sizes.max()) >= _SQUARES_BELOW:
        return None
    total = np.add.reduceat(above, cells.begins)
    squares: Integers = cells.sizes * np.add.reduceat(above * above, cells.begins) - total * total
    return squares


def columns_of(block: Block) -> list[tuple[int, int, int, bytes]]:
    """Number, place in the record, width and head of each column."""
    head, checksum = block.head[: -_HEAD_SUM.size], block.head[-_HEAD_SUM.size :]
    if _HEAD_SUM.pack(crc32(head)) != checksum:
        raise DamagedTile("the head of hourly figures fails its checksum")
    found, at, place = [], 0, 0
    while at < len(head):
        number, w, size = _COLUMN.unpack_from(head, at)
        at += _COLUMN.size
        found.append((number, place, w, head[at : at + size]))
        at, place = at + size, place + w
    if place + sums.SIZE != block.w:
        raise DamagedTile("head and records of hourly figures do not belong together")
    return found


def _sums(volume: Floats, begins: Integers) -> Floats | None:
    """The float nearest to the exact sum of each hour, of decimals as they are written; None where one is too large.

    0.1 + 0.2 is 0.3 so, and takes as many bytes as another decimal.
    """
    kind, whole = as_integers(volume)
    if kind in DECIMALS and float(np.abs(whole).max()) * len(whole) <= EXACT:
        return cast("Floats", as_volumes(kind, np.add.reduceat(whole, begins)))
    try:
        return np.array([math.fsum(piece.tolist()) for piece in np.split(volume, begins[1:])])
    except OverflowError:
        return None
