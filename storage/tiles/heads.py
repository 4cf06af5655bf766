"""What stands before the records of a tile: their widths, how many readings each slot has, and the outliers."""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.errors import DamagedTile
from storage.tiles import bits

Places = tuple[NDArray[np.intp], NDArray[np.intp]]

PREFIX = 2  # bytes before a layout: version and kind
SLOTS_MAX = 128
POINTS_MAX = 1 << 17  # a day of readings every second, and some room
OUTLIERS_MAX = 0xFFFF

# slots, count width, base bytes, base shift, width, shift, sizes of outliers, sizes of base and least, outliers, points
_FIELDS = Struct("<BBBBBBBBHI")
_UNSIGNED = ("<u1", "<u2", "<u4")
_SIGNED = ("<i1", "<i2", "<i4", "<i8")


class Layout(NamedTuple):
    """How wide everything is and where: `counts_at`, `outliers_at` and `end` are places in the head."""

    slots: int
    count_width: int
    base_bytes: int
    base_shift: int
    width: int
    shift: int
    outliers: int
    place_code: int  # log2 of the bytes of an outlier's place; the same of its delta
    delta_code: int
    points: int
    base: int
    least: int
    counts_at: int
    outliers_at: int
    end: int
    deltas: int  # of the longest series
    record_bytes: int  # of each slot


class Counts(NamedTuple):
    """How many readings the slots of a tile have, as its head says it."""

    slots: int
    points: int
    width: int
    missing: bytes


def pack_counts(counts: NDArray[np.intp], points: int) -> Counts:
    """The counts of the slots, the largest of which is `points`; heads of tiles that have the same ones share them."""
    missing = (points - counts).astype(np.uint64)[None, :]
    width = int(missing.max(initial=0)).bit_length()
    return Counts(len(counts), points, width, bits.pack(missing, width).tobytes())


def pack_head(
    counts: Counts,
    *,
    bases: tuple[int, int, int],
    deltas: tuple[int, int, int],
    outliers: tuple[int, int, bytes],
) -> bytes:
    """The head of a tile: bases are (bytes, shift, base), deltas (width, shift, least), outliers of `pack_outliers`."""
    base, least = _number(bases[2]), _number(deltas[2])
    number, codes, listed = outliers
    sizes = len(base) | len(least) << 4
    slots, points, width, missing = counts
    fields = _FIELDS.pack(slots, width, *bases[:2], *deltas[:2], codes, sizes, number, points)
    return b"".join((fields, base, least, missing, listed))


def parse(head: bytes, start: int, stop: int) -> Layout:
    """The layout that begins at `start` of a head; raises DamagedTile unless it ends at or before `stop`."""
    at = start + _FIELDS.size
    if at > stop:
        raise DamagedTile("the head of a tile is cut off")
    slots, count_width, base_bytes, base_shift, width, shift, codes, sizes, outliers, points = (
        _FIELDS.unpack_from(head, start)
    )
    base_size, least_size, place_code, delta_code = sizes & 15, sizes >> 4, codes & 15, codes >> 4
    least_at = at + base_size
    counts_at = least_at + least_size
    outliers_at = counts_at + ((slots * count_width + 7) >> 3)
    end = outliers_at + outliers * (1 + (1 << place_code) + (1 << delta_code))
    deltas = points - 1 if points else 0
    if (
        (base_bytes > 8 or base_size > 8 or least_size > 8 or place_code > 2 or delta_code > 3)
        or (base_shift > 63 or shift > 63 or width > 64 or count_width > 32)
        or (slots > SLOTS_MAX or points > POINTS_MAX or end > stop)
    ):
        raise DamagedTile("the head of a tile makes no sense")
    # By position, which is faster: every series that is read passes here.
    return Layout(
        slots, count_width, base_bytes, base_shift, width, shift, outliers, place_code, delta_code, points,
        int.from_bytes(head[at:least_at], "little", signed=True),
        int.from_bytes(head[least_at:counts_at], "little", signed=True),
        counts_at, outliers_at, end, deltas, base_bytes + ((deltas * width + 7) >> 3),
    )  # fmt: skip


def slots_in(head: bytes) -> int:
    """How many slots the head of a tile says it knows; its checksum is not compared."""
    return head[PREFIX] if len(head) > PREFIX else 0


def pack_outliers(deltas: Integers, places: Places) -> tuple[int, int, bytes]:
    """Number, sizes and bytes of the outliers: their slots, then their places, then their deltas."""
    slot, place = places
    if not len(slot):
        return 0, 0, b""
    delta = deltas[slot, place]
    place_code = unsigned_code(int(place.max()))
    delta_code = signed_code(int(delta.min()), int(delta.max()))
    columns = (
        slot.astype(np.uint8),
        place.astype(_UNSIGNED[place_code]),
        delta.astype(_SIGNED[delta_code]),
    )
    return len(slot), place_code | delta_code << 4, b"".join(column.tobytes() for column in columns)


def unpack_outliers(tiles: Sequence[tuple[bytes, Layout]]) -> tuple[Places, Integers]:
    """Slot and place of every outlier of some heads, and its delta; all of them have outliers of the same sizes."""
    place_code, delta_code = tiles[0][1].place_code, tiles[0][1].delta_code
    slots, places, deltas = [], [], []
    for head, layout in tiles:
        places_at = layout.outliers_at + layout.outliers
        deltas_at = places_at + (layout.outliers << place_code)
        slots.append(head[layout.outliers_at : places_at])
        places.append(head[places_at:deltas_at])
        deltas.append(head[deltas_at : deltas_at + (layout.outliers << delta_code)])
    slot = np.frombuffer(b"".join(slots), np.uint8).astype(np.intp)
    place = np.frombuffer(b"".join(places), _UNSIGNED[place_code]).astype(np.intp)
    delta = np.frombuffer(b"".join(deltas), _SIGNED[delta_code]).astype(np.int64)
    numbers = [layout.outliers for _, layout in tiles]
    known = np.repeat([(layout.slots, layout.deltas) for _, layout in tiles], numbers, axis=0)
    if (slot >= known[:, 0]).any() or (place >= known[:, 1]).any():
        raise DamagedTile("a tile lists an outlier where it has no reading")
    return (slot, place), delta


def outliers_of(head: bytes, layout: Layout, slot: int) -> Iterator[tuple[int, int]]:
    """Place and delta of each outlier of one slot."""
    start, number = layout.outliers_at, layout.outliers
    places_at, place_size, delta_size = start + number, 1 << layout.place_code, 1 << layout.delta_code
    deltas_at = places_at + number * place_size
    first = max(0, head.find(slot, start, places_at) - start)  # outliers stand in order of their slots
    for index in range(first, first + head.count(slot, start, places_at)):
        place, delta = places_at + index * place_size, deltas_at + index * delta_size
        yield (
            int.from_bytes(head[place : place + place_size], "little"),
            int.from_bytes(head[delta : delta + delta_size], "little", signed=True),
        )


def counts_of(head: bytes, layout: Layout) -> NDArray[np.intp]:
    """How many readings each slot has."""
    slots, width, at = layout.slots, layout.count_width, layout.counts_at
    padded = head[at : layout.outliers_at] + bytes(bits.TAIL)
    missing = bits.unpack(padded, 1, slots, width, start=0, stride=0)[0].astype(np.intp)
    if missing.max(initial=0) > layout.points:
        raise DamagedTile("a tile has fewer readings than none")
    counts: NDArray[np.intp] = layout.points - missing
    return counts


def missing_of(head: bytes, layout: Layout, slot: int) -> int:
    """How many readings one slot has less than the longest."""
    if not layout.count_width:
        return 0
    return bits.unpack_one(head, layout.counts_at, slot, layout.count_width)


def unsigned_code(most: int) -> int:
    """Which of 1, 2 and 4 bytes hold this number."""
    return (most >= 1 << 8) + (most >= 1 << 16)


def signed_code(least: int, most: int) -> int:
    """Which of 1, 2, 4 and 8 bytes hold these two numbers and what is between."""
    needed = max(most, ~least).bit_length()
    return (needed > 7) + (needed > 15) + (needed > 31)


def _number(value: int) -> bytes:
    """As few bytes as hold it."""
    size = 0 if value == 0 else (max(value, ~value).bit_length() + 8) >> 3
    return value.to_bytes(size, "little", signed=True)
