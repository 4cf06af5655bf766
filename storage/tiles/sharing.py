"""Records that several slots share: what is polled on one node is polled at one moment, so its stamps are alike.

The head of such a row begins with SHARED, a number of slots, for each of these the number of its record counted from 1
(0: it has none), and their checksum. Then comes the head of a tile, or of hourly figures, that has each record once.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.errors import DamagedTile
from storage.tiles import codec
from storage.tiles.codec import Block, Ragged

SHARED: Final = b"\x80"  # the first byte: neither a version of tiles nor a column of hourly figures
NUMBERS: Final = 2  # bytes before the number of the first slot's record
KEPT, SHORT = (
    2048,
    4096,
)  # heads that are kept, as all resources of a group are read by them; bytes of the longest

_SUM = Struct("<I")

Counts = NDArray[np.intp]


class Whole(NamedTuple):
    """A block with each record once, and which of them each slot has, in order of the slots; None: each its own."""

    block: Block
    at: Counts | None


def encode_stamps(spans: Sequence[tuple[Integers, Integers]], counts: Counts) -> list[Block]:
    """Of each span the block of its stamps, of which slots whose stamps are alike share a record.

    A span is its stamps, slot after slot, and its slots; `counts` are those of every span.
    """
    alike: dict[bytes, list[int]] = {}
    found: dict[int, tuple[Integers, Counts, Counts]] = {}
    for place, (stamps, _) in enumerate(spans):
        firsts, at = different(stamps, counts)
        is_first = np.zeros(len(counts), bool)
        is_first[firsts] = True
        found[place] = stamps[np.repeat(is_first, counts)], counts[firsts], at
        alike.setdefault(counts[firsts].tobytes(), []).append(place)
    blocks: dict[int, Block] = {}
    for places in alike.values():
        own = [(found[place][0], ()) for place in places]
        for place, (block,) in zip(
            places, codec.encode_spans(own, found[places[0]][1], checked=True), strict=True
        ):
            blocks[place] = share(block, spans[place][1], found[place][2])
    return [blocks[place] for place in range(len(spans))]


def decode_stamps(bitmap: bytes, block: Block) -> Ragged:
    """The stamps of all slots of a row, whether they share records or not. Raises DamagedTile."""
    own, at = whole(bitmap, block)
    found = codec.decode_stamps(own)
    if at is None:
        return found
    if at.max(initial=-1) >= len(found.counts):
        raise DamagedTile("slots and records of a tile differ in number")
    counts = found.counts[at]
    shift = (np.cumsum(found.counts) - found.counts)[at] - (np.cumsum(counts) - counts)
    return Ragged(found.flat[np.repeat(shift, counts) + np.arange(int(counts.sum()))], counts)


def different(values: Integers, counts: Counts) -> tuple[Counts, Counts]:
    """Of series one after the other: the first of those that are alike, and for each series which of these it is."""
    whole, ends = values.tobytes(), np.cumsum(counts) * values.itemsize
    known: dict[bytes, int] = {}
    firsts: list[int] = []
    numbers: list[int] = []
    for index, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        number = known.setdefault(whole[begin:end], len(known))
        if number == len(firsts):
            firsts.append(index)
        numbers.append(number)
    return np.array(firsts, np.intp), np.array(numbers, np.intp)


def share(block: Block, slots: Integers, at: Counts) -> Block:
    """A block of different records as that of these slots (ascending): `at` says which of them each slot has."""
    numbers = np.zeros(int(slots[-1]) + 1, np.uint8)
    numbers[slots] = at + 1
    named = SHARED + bytes((len(numbers),)) + numbers.tobytes()
    return Block(block.w, named + _SUM.pack(crc32(named)) + block.head, block.raw)


def is_shared(head: bytes) -> bool:
    """Whether slots share the records of this head."""
    return head[:1] == SHARED


def whole(bitmap: bytes, block: Block) -> Whole:
    """A row's block as the codec knows it; `bitmap` has its slots. Raises DamagedTile."""
    if not is_shared(block.head):
        return Whole(block, None)
    head, _, at = _found(block.head, bitmap)
    return Whole(Block(block.w, head, block.raw), at)


def single(bitmap: bytes, head: bytes, slot: int) -> tuple[bytes, int | None]:
    """The head without what is shared, and which record is the slot's; None when it has none. Raises DamagedTile."""
    own, numbers, _ = _found(head, bitmap)
    return own, numbers[slot] - 1 if slot < len(numbers) and numbers[slot] else None


def numbered(bitmap: bytes, head: bytes) -> tuple[bytes, bytes]:
    """The head without what is shared, and the number of each slot's record from 1 on, 0: none. Raises DamagedTile."""
    own, numbers, _ = _found(head, bitmap)
    return own, numbers


def _opened(head: bytes, bitmap: bytes) -> tuple[bytes, bytes, Counts]:
    """The head of the records, the number of each slot, and the record of each slot that has one."""
    end = NUMBERS + head[1] if len(head) > 1 else 0
    if len(head) < end + _SUM.size or _SUM.pack(crc32(head[:end])) != head[end : end + _SUM.size]:
        raise DamagedTile("the numbers of the records of a tile fail their checksum")
    numbers = head[NUMBERS:end]
    found = np.frombuffer(numbers, np.uint8)
    if np.packbits(found > 0, bitorder="little").tobytes() != bitmap:
        raise DamagedTile("slots and records of a tile differ in number")
    at = found[found > 0].astype(np.intp) - 1
    at.flags.writeable = False
    return head[end + _SUM.size :], numbers, at


_kept = lru_cache(KEPT)(_opened)


def _found(head: bytes, bitmap: bytes) -> tuple[bytes, bytes, Counts]:
    return _kept(head, bitmap) if len(head) <= SHORT else _opened(head, bitmap)
