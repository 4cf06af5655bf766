"""Tiles: the readings of one meter of one group over an hour or a day, one record of equal size per slot.

The head is: version, kind, layout (`heads`), then, unless every series has a reading at every stamp of its slot,
the presence: one bit per slot, and the positions of the slots so marked as a tile within the head; last the
checksums of all records and of the head. The records of tiles have a checksum each, too (`sums`); those of a column of
hourly figures have it behind their last column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import heads, packs, strides, sums
from storage.tiles.heads import Layout
from storage.tiles.kinds import (
    BITS,
    DECIMALS,
    INTEGER,
    STAMPS,
    Values,
    as_integers,
    as_values,
    as_volumes,
    plain,
)

PLAIN, CHECKED = 1, 2  # versions: the records as they are, or each with a checksum of its own

_CHECKSUMS = Struct("<II")
_HEAD_CHECKSUM = Struct("<I")


@dataclass(frozen=True, slots=True)
class Block:
    """What one row of a tile stores: the head and, in `raw`, one record of exactly `w` bytes per slot."""

    w: int
    head: bytes
    raw: bytes


class Ragged(NamedTuple):
    """Series of different lengths, one after the other; `counts` says how long each is."""

    flat: Volumes
    counts: NDArray[np.intp]


class Opened(NamedTuple):
    """A head whose checksum is right; `marked` has a bit for each slot with positions of its own."""

    kind: int
    layout: Layout
    marked: int
    positions: Layout | None
    checked: bool

    @property
    def w(self) -> int:
        """Bytes of a record."""
        return self.layout.record_bytes + (sums.SIZE if self.checked else 0)


def encode_stamps(stamps: Integers, counts: NDArray[np.intp], *, checked: bool = False) -> Block:
    """Stamps in microseconds, slot after slot, ascending within each; `counts` says how many each slot has.

    `checked` gives each record a checksum of its own, two bytes, so that it can be read without the others.
    Raises ValueError for more slots or points than a tile holds.
    """
    return _blocks([STAMPS], [stamps], counts, checked=checked)[0]


def decode_stamps(block: Block) -> Ragged:
    """The stamps of all slots. Raises DamagedTile, as everything that decodes; here both checksums are compared."""
    opened = _open(block.head, (STAMPS,))
    return _flat(*_whole(opened, block))


def decode_stamps_of(head: bytes, record: bytes, slot: int, w: int) -> list[int]:
    """The stamps of one slot from its record alone: `raw[w * slot : w * (slot + 1)]`.

    The head's checksum, the record's length and its checksum, where it has one, are compared. A slot the tile does not
    know is silent.
    """
    opened = _open(head, (STAMPS,))
    return plain(_single(opened, head, record, slot, w))


def encode_values(
    values: Volumes, counts: NDArray[np.intp], marked: Mapping[int, Integers], *, checked: bool = False
) -> Block:
    """The readings of one meter, int64 or float64, slot after slot, in order of time within each.

    `marked` has the slots without a reading at some stamp of theirs: the positions of the stamps they have one at.
    Raises ValueError for more slots or points than a tile holds, or when positions and readings differ in number.
    """
    if any(len(positions) != counts[slot] for slot, positions in marked.items()):
        raise ValueError("positions and readings differ in number")
    kind, flat = as_integers(values)
    return _blocks([kind], [flat], counts, _pack_presence(marked, len(counts)), checked=checked)[0]


def encode_spans(
    spans: Sequence[tuple[Integers | None, Sequence[Volumes]]],
    counts: NDArray[np.intp],
    *,
    checked: bool = False,
) -> list[list[Block]]:
    """Of each span its stamps (if any), and readings of several meters at all of them, in less time than one by one.

    `counts` are those of every span.
    """
    pairs: list[tuple[int, Integers]] = []
    for stamps, meters in spans:
        pairs += [] if stamps is None else [(STAMPS, stamps)]
        pairs += map(as_integers, meters)
    kinds, flats = zip(*pairs, strict=True)
    blocks = iter(_blocks(kinds, flats, counts, checked=checked))
    return [list(islice(blocks, len(meters) + (stamps is not None))) for stamps, meters in spans]


def decode_values(block: Block) -> tuple[Ragged, dict[int, Integers]]:
    """Readings, and the positions of the slots that are marked, as they were encoded; both checksums are compared."""
    opened = open_values(block.head)
    integers = _flat(*_whole(opened, block))
    marked = presence_of(opened, block.head)
    if any(len(positions) != integers.counts[slot] for slot, positions in marked.items()):
        raise DamagedTile("positions and readings of a tile differ in number")
    return Ragged(as_volumes(opened.kind, integers.flat), integers.counts), marked


def decode_values_of(head: bytes, record: bytes, slot: int, w: int) -> tuple[Values, list[int] | None]:
    """Readings and positions of one slot from its record alone, checked as by `decode_stamps_of`.

    A slot the tile does not know has no readings, at no positions.
    """
    opened = open_values(head)
    values = as_values(opened.kind, _single(opened, head, record, slot, w))
    if slot >= opened.layout.slots:
        return values, []
    positions = positions_of(opened, head, slot)
    if positions is not None and len(positions) != len(values):
        raise DamagedTile("positions and readings of a tile differ in number")
    return values, positions


def positions_of(opened: Opened, head: bytes, slot: int) -> list[int] | None:
    """Which of its stamps a slot has a reading at; None: all."""
    if opened.positions is None or not opened.marked >> slot & 1:
        return None
    rank = (opened.marked & ((1 << slot) - 1)).bit_count()
    size = opened.positions.record_bytes
    at = opened.positions.end + rank * size
    return plain(strides.unpack_record(head, opened.positions, head[at : at + size], rank))


def open_values(head: bytes) -> Opened:
    """What a head of `encode_values` says of its records; its checksum is compared."""
    return _open(head, (INTEGER, *DECIMALS, BITS))


def open_stamps(head: bytes) -> Opened:
    """The same of a head of `encode_stamps`."""
    return _open(head, (STAMPS,))


def is_whole(head: bytes, raw: bytes | memoryview) -> bool:
    """Whether the checksum of all records is right."""
    found: int = _CHECKSUMS.unpack_from(head, len(head) - _CHECKSUMS.size)[0]
    return crc32(raw) == found


def without_sum(opened: Opened, record: bytes, slot: int) -> bytes:
    """A record without the checksum it has, which is compared."""
    size = opened.layout.record_bytes
    if record[size:] != sums.sum_of(record[:size], slot):
        raise DamagedTile("a record of a tile fails its checksum")
    return record[:size]


def _blocks(
    kinds: Sequence[int],
    flats: Sequence[Integers],
    counts: NDArray[np.intp],
    presence: bytes = b"",
    *,
    checked: bool,
) -> list[Block]:
    stack = flats[0][None, :] if len(flats) == 1 else np.stack(flats)
    packed = packs.pack(stack, counts)
    if checked:
        packed = _checked(packed, len(counts))
    version = CHECKED if checked else PLAIN
    return [_block(version, kind, one, presence) for kind, one in zip(kinds, packed, strict=True)]


def _checked(packed: Sequence[packs.Packed], slots: int) -> list[packs.Packed]:
    """Tiles with a checksum behind each record; those with records of one width are looked at together."""
    by_width: dict[int, list[int]] = {}
    for place, one in enumerate(packed):
        by_width.setdefault(one.w, []).append(place)
    found = list(packed)
    for w, places in by_width.items():
        records = np.frombuffer(b"".join([packed[place].raw for place in places]), np.uint8)
        for place, raw in zip(
            places, sums.all_with_sums(records.reshape(len(places), slots, w)), strict=True
        ):
            found[place] = packs.Packed(packed[place].head, w + sums.SIZE, raw)
    return found


def _block(version: int, kind: int, packed: packs.Packed, presence: bytes) -> Block:
    layout, w, raw = packed
    head = bytes((version, kind)) + layout + presence
    head += _HEAD_CHECKSUM.pack(crc32(raw))
    return Block(w, head + _HEAD_CHECKSUM.pack(crc32(head)), raw)


def _pack_presence(marked: Mapping[int, Integers], slots: int) -> bytes:
    if not marked:
        return b""
    flags = sum(1 << slot for slot in marked).to_bytes((slots + 7) >> 3, "little")
    positions = [marked[slot] for slot in sorted(marked)]
    counts = np.array(list(map(len, positions)), np.intp)
    head, _, raw = packs.pack(np.concatenate(positions)[None, :], counts)[0]
    return flags + head + raw


def _open(head: bytes, kinds: tuple[int, ...]) -> Opened:
    """Raises DamagedTile unless this program wrote the head, for one of these kinds, and it is whole."""
    stop = len(head) - _CHECKSUMS.size
    if stop < heads.PREFIX or head[0] not in (PLAIN, CHECKED):
        raise DamagedTile("a tile was written by a newer program, or its head is damaged")
    if crc32(head[:-4]) != _HEAD_CHECKSUM.unpack_from(head, stop + 4)[0]:
        raise DamagedTile("the head of a tile fails its checksum")
    kind = head[1]
    if kind not in kinds:
        raise DamagedTile(f"a tile of kind {kind} stands where one of {kinds} belongs")
    layout = heads.parse(head, heads.PREFIX, stop)
    if layout.end == stop:
        return Opened(kind, layout, 0, None, head[0] == CHECKED)
    flags = (layout.slots + 7) >> 3
    marked = int.from_bytes(head[layout.end : layout.end + flags], "little")
    positions = heads.parse(head, layout.end + flags, stop)
    if (
        positions.slots != marked.bit_count()
        or marked >> layout.slots
        or positions.end + positions.slots * positions.record_bytes != stop
    ):
        raise DamagedTile("the positions of a tile make no sense")
    return Opened(kind, layout, marked, positions, head[0] == CHECKED)


def _whole(opened: Opened, block: Block) -> tuple[Integers, NDArray[np.intp]]:
    if block.w != opened.w:
        raise DamagedTile("head and records of a tile do not belong together")
    if not is_whole(block.head, block.raw):
        raise DamagedTile("the records of a tile fail their checksum")
    raw = block.raw
    if opened.checked:
        records = np.frombuffer(raw, np.uint8).reshape(-1, opened.w)
        raw = records[:, : opened.layout.record_bytes].tobytes()
    return strides.unpack(block.head, opened.layout, raw)


def _single(opened: Opened, head: bytes, record: bytes, slot: int, w: int) -> list[int] | Integers:
    if w != opened.w:
        raise DamagedTile("head and records of a tile do not belong together")
    if slot >= opened.layout.slots:
        return []
    if opened.checked:
        record = without_sum(opened, record, slot)
    return strides.unpack_record(head, opened.layout, record, slot)


def presence_of(opened: Opened, head: bytes) -> dict[int, Integers]:
    """The positions of the slots that are marked."""
    if opened.positions is None:
        return {}
    layout = opened.positions
    raw = head[layout.end : layout.end + layout.slots * layout.record_bytes]
    grid, counts = strides.unpack(head, layout, raw)
    slots = (slot for slot in range(opened.layout.slots) if opened.marked >> slot & 1)
    return {slot: row[:count] for slot, row, count in zip(slots, grid, counts.tolist(), strict=True)}


def _flat(grid: Integers, counts: NDArray[np.intp]) -> Ragged:
    points = grid.shape[1]
    if int(counts.sum()) == grid.size:
        return Ragged(grid.ravel(), counts)
    return Ragged(grid[np.arange(points) < counts[:, None]], counts)
