"""Fields of equal width, side by side in bytes: the least significant bit first, no padding between them."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Octets = NDArray[np.uint8]

TAIL = 9  # bytes after the last field that `unpack` may look at (and ignores)
MANY = 256  # rows that are worth a call of numpy for each place
WIDE = 57  # a wider field may touch nine bytes


def size(fields: int, width: int) -> int:
    """Bytes that so many fields of `width` bits take."""
    return (fields * width + 7) >> 3


def pack(fields: Words, width: int) -> Octets:
    """Rows of fields (each below 2**width) as rows of bytes."""
    rows, count = fields.shape
    if not count or not width:
        return np.zeros((rows, 0), np.uint8)
    word, offset, first, spilling = _word_plan(count, width)
    words = np.zeros((rows, (count * width + 63) >> 6), "<u8")
    words[:, : int(word[-1]) + 1] = np.bitwise_or.reduceat(fields << offset, first, axis=1)
    words[:, word[spilling] + 1] |= fields[:, spilling] >> (np.uint64(64) - offset[spilling])
    return words.view(np.uint8)[:, : size(count, width)]


def unpack(padded: bytes | Octets, rows: int, count: int, width: int, *, start: int, stride: int) -> Words:
    """`count` fields of each row; row i begins at byte start + i * stride.

    `padded` goes on for `TAIL` bytes after the last field.
    """
    if not count or not width:
        return np.zeros((rows, count), np.uint64)
    octet, offset = _octet_plan(count, width)
    # Eight bytes seen from every byte: nothing is copied until the fields' bytes are picked.
    seen: Words = np.ndarray((rows, int(octet[-1]) + 1), "<u8", padded, start, (stride, 1))
    fields = seen[:, octet] >> offset
    if width > WIDE:
        ninth: Octets = np.ndarray(seen.shape, np.uint8, padded, start + 8, (stride, 1))
        fields |= ninth[:, octet].astype(np.uint64) << (np.uint64(64) - offset)
    return _masked(fields, width)


def unpack_across(padded: bytes, out: Words, width: int, *, start: int, stride: int) -> None:
    """As `unpack`, but into `out`, which has a row for each place."""
    count, rows = out.shape
    if not count or not width:
        out[:] = 0
        return
    octet, offset = _octet_plan(count, width)
    seen: Words = np.ndarray((int(octet[-1]) + 1, rows), "<u8", padded, start, (1, stride))
    if rows < MANY:
        np.right_shift(seen[octet], offset[:, None], out=out)
    else:  # the same, but each place in a processor's cache
        for found, at, bit in zip(out, octet.tolist(), offset, strict=True):
            np.right_shift(seen[at], bit, out=found)
    if width > WIDE:
        ninth: Octets = np.ndarray(seen.shape, np.uint8, padded, start + 8, (1, stride))
        out |= ninth[octet].astype(np.uint64) << (np.uint64(64) - offset)[:, None]
    _masked(out, width)


def unpack_row(padded: bytes, start: int, count: int, width: int) -> Words:
    """`unpack` of one row, without the cost of a second dimension."""
    if width > WIDE or not width or not count:
        row: Words = unpack(padded, 1, count, width, start=start, stride=0)[0]
        return row
    octet, offset = _octet_plan(count, width)
    seen: Words = np.ndarray(len(padded) - start - 7, "<u8", padded, start, 1)
    fields: Words = seen.take(octet)
    fields >>= offset
    return _masked(fields, width)


def unpack_one(data: bytes, at: int, index: int, width: int) -> int:
    """Field `index` of a row that begins at byte `at`; `width` is at most `WIDE`."""
    octet, offset = divmod(index * width, 8)
    eight = int.from_bytes(data[at + octet : at + octet + 8], "little")
    return (eight >> offset) & ((1 << width) - 1)


def _masked(fields: Words, width: int) -> Words:
    if width < 64:
        fields &= np.uint64((1 << width) - 1)
    return fields


# A store has few shapes of tiles. Plans of the largest take 2 MB each, of usual ones some KB.
@lru_cache(maxsize=32)
def _octet_plan(count: int, width: int) -> tuple[NDArray[np.intp], Words]:
    """Of each field: the byte it begins in, and the bit within it."""
    at = np.arange(count, dtype=np.intp) * width
    return at >> 3, (at & 7).astype(np.uint64)


@lru_cache(maxsize=32)
def _word_plan(count: int, width: int) -> tuple[NDArray[np.intp], Words, NDArray[np.intp], NDArray[np.intp]]:
    """Of each field: its word of 64 bits and the bit within it; of each word: the first field that begins there.

    Last, the fields that go on in the next word: at most one of each word.
    """
    at = np.arange(count, dtype=np.intp) * width
    word, offset = at >> 6, at & 63
    first = np.flatnonzero(np.diff(word, prepend=-1))
    return word, offset.astype(np.uint64), first, np.flatnonzero(offset + width > 64)
