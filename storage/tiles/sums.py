"""The checksum of each record: the low half of its CRC-32, which begins at the number of its slot.

So that a record that stands in another's place is noticed, too.
"""

from functools import lru_cache
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.tiles import bits
from storage.tiles.heads import SLOTS_MAX

SIZE: Final = 2  # bytes
LOOKED_UP: Final = 256  # longer records are summed one by one: what that costs a record is little then

LOW: Final = 0xFFFF

Sums = NDArray[np.uint16]


def sum_of(record: bytes, slot: int) -> bytes:
    """The checksum of one record."""
    return (crc32(record, slot) & LOW).to_bytes(SIZE, "little")


def with_sums(records: bits.Octets) -> bytes:
    """All records of a tile (a row of bytes for each slot), each with its checksum behind it."""
    return all_with_sums(records[None])[0]


def all_with_sums(tiles: bits.Octets) -> list[bytes]:
    """The same of tiles with as many slots and records of one width."""
    _, slots, w = tiles.shape
    if w > LOOKED_UP:
        return [_one_by_one(records.tobytes(), slots, w) for records in tiles]
    places, zeros = _of_width(w)
    changes = np.bitwise_xor.reduce(_changes().take(tiles + places), axis=2)
    checked = np.empty((len(tiles), slots, w + SIZE), np.uint8)
    checked[:, :, :w] = tiles
    checked[:, :, w:] = (changes ^ zeros[:slots])[:, :, None].view(np.uint8)
    return [records.tobytes() for records in checked]


def _one_by_one(whole: bytes, slots: int, w: int) -> bytes:
    parts = (whole[slot * w : (slot + 1) * w] for slot in range(slots))
    return b"".join(part + sum_of(part, slot) for slot, part in enumerate(parts))


@lru_cache(LOOKED_UP + 1)
def _of_width(w: int) -> tuple[Integers, Sums]:
    """Where in `_changes` each byte of a record is looked up, and the checksums of `w` zeros in each slot."""
    zeros = [crc32(bytes(w), slot) & LOW for slot in range(SLOTS_MAX)]
    return np.arange(w - 1, -1, -1) << 8, np.array(zeros, "<u2")


@lru_cache(1)
def _changes() -> Sums:
    """A CRC is linear: what a byte changes of that of zeros, by the number of bytes behind it and then by its value."""
    one = np.array([crc32(bytes([byte])) ^ crc32(bytes(1)) for byte in range(256)], np.uint32)
    rows = [one]
    while len(rows) < LOOKED_UP:
        rows.append(rows[-1] >> 8 ^ one[rows[-1] & 0xFF])
    return np.concatenate(rows).astype("<u2")
