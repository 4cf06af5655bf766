"""Tiles: the readings of one meter of one group over an hour or a day, one record of equal size per slot.

The head is: version, kind, layout (`heads`), then, unless every series has a reading at every stamp of its slot,
the presence: one bit per slot, and the positions of the slots so marked as a tile within the head; last the
checksums of the records and of the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.errors import DamagedTile
from storage.tiles import heads, strides
from storage.tiles.heads import Integers, Layout

Values = list[int] | list[float]

VERSION = 1
INTEGER, STAMPS, BITS = 0, 1, 255
DECIMALS = {2: 1.0, 3: 1e2, 4: 1e4}  # kind: what the float is multiplied by to become an integer
EXACT = float(1 << 53)

_PREFIX = 2
_CHECKSUMS = Struct("<II")
_HEAD_CHECKSUM = Struct("<I")


@dataclass(frozen=True, slots=True)
class Block:
    """What one row of a tile stores: the head and, in `raw`, one record of exactly `w` bytes per slot."""

    w: int
    head: bytes
    raw: bytes


class _Opened(NamedTuple):
    """A head whose checksum is right; `marked` has a bit for each slot with positions of its own."""

    kind: int
    layout: Layout
    marked: int
    positions: Layout | None


def encode_stamps(stamps: Sequence[Sequence[int]]) -> Block:
    """The stamps of each slot, ascending, in microseconds; empty where the slot is silent.

    Raises ValueError for more slots or points than a tile holds.
    """
    flat, counts = _flatten(stamps)
    return _block(STAMPS, flat, counts, b"")


def decode_stamps(block: Block) -> list[list[int]]:
    """The stamps of each slot. Raises DamagedTile, as everything that decodes; here both checksums are compared."""
    opened = _open(block.head, (STAMPS,))
    return [_plain(series) for series in _whole(opened, block)]


def decode_stamps_of(head: bytes, record: bytes, slot: int, w: int) -> list[int]:
    """The stamps of one slot from its record alone: `raw[w * slot : w * (slot + 1)]`.

    Only the head's checksum and the record's length are compared. A slot the tile does not know is silent: it was
    given out after the tile was written.
    """
    opened = _open(head, (STAMPS,))
    return _plain(_single(opened, head, record, slot, w))


def encode_values(
    values: Sequence[Sequence[int] | Sequence[float]], present: Sequence[Sequence[int] | None], *, real: bool
) -> Block:
    """The readings of one meter of each slot, in order of time.

    `present` has, per slot, the positions of the stamps they belong to: None when there is a reading at every stamp.
    Raises ValueError for more slots or points than a tile holds, when positions and readings differ in number, or when
    readings of an integer meter are no integers of 64 bits.
    """
    if list(map(len, values)) != [
        len(series) if positions is None else len(positions)
        for series, positions in zip(values, present, strict=True)
    ]:
        raise ValueError("positions and readings differ in number")
    presence = _pack_presence(present)
    if real:
        kind, flat, counts = _as_integers(values)
    else:
        kind, (flat, counts) = INTEGER, _flatten(values)
    return _block(kind, flat, counts, presence)


def decode_values(block: Block) -> list[tuple[Values, list[int] | None]]:
    """Readings and positions of each slot, as they were encoded; both checksums are compared."""
    opened = _open(block.head, (INTEGER, *DECIMALS, BITS))
    values = [_as_values(opened.kind, series) for series in _whole(opened, block)]
    positions = _presence(opened, block.head)
    if any(
        some is not None and len(some) != len(series) for series, some in zip(values, positions, strict=True)
    ):
        raise DamagedTile("positions and readings of a tile differ in number")
    return list(zip(values, positions, strict=True))


def decode_values_of(head: bytes, record: bytes, slot: int, w: int) -> tuple[Values, list[int] | None]:
    """Readings and positions of one slot from its record alone, checked as by `decode_stamps_of`.

    A slot the tile does not know has no readings, at no positions.
    """
    opened = _open(head, (INTEGER, *DECIMALS, BITS))
    values = _as_values(opened.kind, _single(opened, head, record, slot, w))
    if slot >= opened.layout.slots:
        return values, []
    if opened.positions is None or not opened.marked >> slot & 1:
        return values, None
    rank = (opened.marked & ((1 << slot) - 1)).bit_count()
    size = opened.positions.record_bytes
    at = opened.positions.end + rank * size
    positions = _plain(strides.unpack_record(head, opened.positions, head[at : at + size], rank))
    if len(positions) != len(values):
        raise DamagedTile("positions and readings of a tile differ in number")
    return values, positions


def _block(kind: int, flat: Integers, counts: NDArray[np.intp], presence: bytes) -> Block:
    layout, w, raw = strides.pack(flat, counts)
    head = bytes((VERSION, kind)) + layout + presence
    head += _HEAD_CHECKSUM.pack(crc32(raw))
    return Block(w, head + _HEAD_CHECKSUM.pack(crc32(head)), raw)


def _pack_presence(present: Sequence[Sequence[int] | None]) -> bytes:
    marked = [slot for slot, positions in enumerate(present) if positions is not None]
    if not marked:
        return b""
    flags = sum(1 << slot for slot in marked).to_bytes((len(present) + 7) >> 3, "little")
    head, _, raw = strides.pack(*_flatten([positions for positions in present if positions is not None]))
    return flags + head + raw


def _open(head: bytes, kinds: tuple[int, ...]) -> _Opened:
    """Raises DamagedTile unless this program wrote the head, for one of these kinds, and it is whole."""
    stop = len(head) - _CHECKSUMS.size
    if stop < _PREFIX or head[0] != VERSION:
        raise DamagedTile("a tile was written by a newer program, or its head is damaged")
    if crc32(head[:-4]) != _HEAD_CHECKSUM.unpack_from(head, stop + 4)[0]:
        raise DamagedTile("the head of a tile fails its checksum")
    kind = head[1]
    if kind not in kinds:
        raise DamagedTile(f"a tile of kind {kind} stands where one of {kinds} belongs")
    layout = heads.parse(head, _PREFIX, stop)
    if layout.end == stop:
        return _Opened(kind, layout, 0, None)
    flags = (layout.slots + 7) >> 3
    marked = int.from_bytes(head[layout.end : layout.end + flags], "little")
    positions = heads.parse(head, layout.end + flags, stop)
    if (
        positions.slots != marked.bit_count()
        or marked >> layout.slots
        or positions.end + positions.slots * positions.record_bytes != stop
    ):
        raise DamagedTile("the positions of a tile make no sense")
    return _Opened(kind, layout, marked, positions)


def _whole(opened: _Opened, block: Block) -> list[Integers]:
    if block.w != opened.layout.record_bytes:
        raise DamagedTile("head and records of a tile do not belong together")
    if crc32(block.raw) != _CHECKSUMS.unpack_from(block.head, len(block.head) - _CHECKSUMS.size)[0]:
        raise DamagedTile("the records of a tile fail their checksum")
    return _rows(*strides.unpack(block.head, opened.layout, block.raw))


def _single(opened: _Opened, head: bytes, record: bytes, slot: int, w: int) -> list[int] | Integers:
    if w != opened.layout.record_bytes:
        raise DamagedTile("head and records of a tile do not belong together")
    if slot >= opened.layout.slots:
        return []
    return strides.unpack_record(head, opened.layout, record, slot)


def _presence(opened: _Opened, head: bytes) -> list[list[int] | None]:
    found: list[list[int] | None] = [None] * opened.layout.slots
    if opened.positions is not None:
        layout = opened.positions
        raw = head[layout.end : layout.end + layout.slots * layout.record_bytes]
        rows = iter(_rows(*strides.unpack(head, layout, raw)))
        for slot in range(opened.layout.slots):
            if opened.marked >> slot & 1:
                found[slot] = _plain(next(rows))
    return found


def _rows(grid: Integers, counts: NDArray[np.intp]) -> list[Integers]:
    return [row[:count] for row, count in zip(grid, counts.tolist(), strict=True)]


def _flatten(series: Sequence[Sequence[int] | Sequence[float]]) -> tuple[Integers, NDArray[np.intp]]:
    # Without a dtype, because numpy would cut floats to integers in silence.
    flat = np.array(list(chain.from_iterable(series)))
    if flat.size and flat.dtype != np.int64:
        raise ValueError(f"integers of 64 bits belong into this tile, not {flat.dtype}")
    return flat.astype(np.int64, copy=False), _counts(series)


def _counts(series: Sequence[Sequence[int] | Sequence[float]]) -> NDArray[np.intp]:
    return np.array(list(map(len, series)), np.intp)


def _as_integers(
    values: Sequence[Sequence[int] | Sequence[float]],
) -> tuple[int, Integers, NDArray[np.intp]]:
    """Kind, integers and counts: decimals as multiples of a unit where every bit comes back, else their bits."""
    counts = _counts(values)
    flat = np.fromiter(chain.from_iterable(values), np.float64, int(counts.sum()))
    pattern = flat.view(np.int64)
    for kind, scale in DECIMALS.items():
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(flat * scale)
            exact = (scaled / scale).view(np.int64) == pattern
        if exact.all() and (np.abs(scaled) <= EXACT).all():
            whole = scaled.astype(np.int64)
            # A negative zero is as whole as zero, but is another one.
            if not (pattern[whole == 0] != 0).any():
                return kind, whole, counts
    return BITS, pattern, counts


def _as_values(kind: int, series: list[int] | Integers) -> Values:
    """Raises no error: any 64 bits are an integer and a float."""
    if kind == INTEGER:
        return _plain(series)
    if kind == BITS:
        floats: list[float] = np.asarray(series, np.int64).view(np.float64).tolist()
        return floats
    scale = DECIMALS[kind]
    if isinstance(series, list):
        return [value / scale for value in series]
    decimals: list[float] = (series / scale).tolist()
    return decimals


def _plain(series: list[int] | Integers) -> list[int]:
    return series if isinstance(series, list) else series.tolist()
