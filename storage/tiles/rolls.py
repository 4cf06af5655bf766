"""Hourly figures of each series of a day, beside its day tile: what a month by the hour is answered from.

A row has the columns it needs, each a tile of 24 values per slot; a record is what a slot has in each of them, one
after the other, and a checksum. Hours without a reading have the count 0 and a neighbour's values, which cost nothing.
When the readings of a meter are at every stamp of their slots, counts and times are those of the row of stamps.
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import heads, sharing, sums
from storage.tiles.codec import Block, decode_values, decode_values_of, encode_spans

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


def excess(found: Mapping[int, Volumes]) -> Integers:
    """What the sums are over count * least, told by COUNT, RANGE and EXCESS."""
    count, ranges, over = (cast("Integers", found[number]) for number in (COUNT, RANGE, EXCESS))
    return over + half(count, ranges)


def spread_of(found: Mapping[int, Volumes]) -> Floats | None:
    """The sum of squares of the distances to the mean, of hours with a reading; None where it is not kept."""
    if SQUARES in found:
        return found[SQUARES] / found[COUNT]
    return cast("Floats | None", found.get(SPREAD))


def half(count: Integers, ranges: Volumes) -> Integers:
    """What readings in the middle between least and most would add to count * least; wraps."""
    return count * cast("Integers", ranges) >> 1


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
