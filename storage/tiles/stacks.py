"""Records of many tiles unpacked together: what numpy costs a call is paid once, not once a tile."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import bits
from storage.tiles.heads import Layout, counts_of, missing_of, unpack_outliers
from storage.tiles.kinds import INTEGER, as_volumes

_ALL = (1 << 64) - 1


class Part(NamedTuple):
    """Records of one tile: rows of bytes, of all its slots, or of the one at `rank`."""

    head: bytes
    layout: Layout
    records: bits.Octets
    rank: int | None = None


def unpack_stack(parts: Sequence[Part]) -> tuple[Integers, NDArray[np.intp]]:
    """The series of all parts as rows of one grid, and how many values of each row count; the rest is noise."""
    sizes = [len(part.records) for part in parts]
    begins = [0, *np.cumsum(sizes).tolist()]
    points = max((part.layout.points for part in parts), default=0)
    grid = np.zeros((begins[-1], points), np.uint64)
    counts = _counts(parts, begins)
    if not points:
        return grid.view(np.int64), counts
    grid[:, 0] = _bases(parts, begins)
    alike: dict[tuple[int, int], list[int]] = {}
    for index, part in enumerate(parts):
        if part.records.shape[1] < part.layout.record_bytes:
            raise DamagedTile("the records of a tile are cut off")
        alike.setdefault((part.layout.width, part.layout.deltas), []).append(index)
    for (width, deltas), some in alike.items():
        chosen = [parts[index] for index in some]
        fields = _deltas(chosen, width, deltas)
        if len(chosen) == len(parts):
            grid[:, 1:] = fields
            continue
        at = 0
        for index in some:
            begin, end = begins[index], begins[index + 1]
            grid[begin:end, 1 : 1 + deltas] = fields[at : at + end - begin]
            at += end - begin
    for part, begin in zip(parts, begins, strict=False):
        if part.layout.outliers:
            _put_outliers(grid, part, begin)
    return np.add.accumulate(grid, axis=1, out=grid).view(np.int64), counts


def volumes_of(kinds: Sequence[int], parts: Sequence[Part], grid: Integers) -> Volumes:
    """The grid of parts of these kinds as readings."""
    if len(set(kinds)) == 1:
        return as_volumes(kinds[0], grid)
    if INTEGER in kinds:
        raise DamagedTile("readings are integers in some tiles and floats in others")
    pieces: list[Floats] = []
    begin = 0
    for kind, part in zip(kinds, parts, strict=True):
        end = begin + len(part.records)
        pieces.append(cast("Floats", as_volumes(kind, grid[begin:end])))
        begin = end
    return np.concatenate(pieces)


def _bases(parts: Sequence[Part], begins: Sequence[int]) -> bits.Words:
    first = np.zeros((begins[-1], 8), np.uint8)
    for part, begin in zip(parts, begins, strict=False):
        size = part.layout.base_bytes
        if size:
            first[begin : begin + len(part.records), :size] = part.records[:, :size]
    words = first.view("<u8")[:, 0]
    return _affine(
        words, parts, [part.layout.base_shift for part in parts], [part.layout.base for part in parts]
    )


def _deltas(parts: Sequence[Part], width: int, deltas: int) -> bits.Words:
    """The deltas of parts that have as many, of the same width."""
    size = bits.size(deltas, width)
    stride = size + bits.TAIL
    packed = np.zeros((sum(len(part.records) for part in parts), stride), np.uint8)
    begin = 0
    for part in parts if size else ():
        end, at = begin + len(part.records), part.layout.base_bytes
        packed[begin:end, :size] = part.records[:, at : at + size]
        begin = end
    fields = bits.unpack(packed, len(packed), deltas, width, start=0, stride=stride)
    return _affine(
        fields, parts, [part.layout.shift for part in parts], [part.layout.least for part in parts]
    )


def _affine(
    fields: bits.Words, parts: Sequence[Part], shifts: Sequence[int], bases: Sequence[int]
) -> bits.Words:
    """The fields of each part shifted, its base added."""
    sizes = [len(part.records) for part in parts]
    shape = (-1, *[1] * (fields.ndim - 1))
    if any(shifts):
        fields = fields << np.repeat(np.array(shifts, np.uint64), sizes).reshape(shape)
    base = np.array([base & _ALL for base in bases], np.uint64)
    found: bits.Words = fields + np.repeat(base, sizes).reshape(shape)
    return found


def _put_outliers(grid: bits.Words, part: Part, begin: int) -> None:
    at = part.layout.outliers_at
    if part.rank is not None and part.head.find(part.rank, at, at + part.layout.outliers) < 0:
        return  # a byte for the slot of each stands first
    (slot, place), delta = unpack_outliers(part.head, part.layout)
    if part.rank is not None:
        mine = slot == part.rank
        slot, place, delta = np.zeros(int(mine.sum()), np.intp), place[mine], delta[mine]
    grid[begin + slot, place + 1] = delta.view(np.uint64)


def _counts(parts: Sequence[Part], begins: Sequence[int]) -> NDArray[np.intp]:
    sizes = [len(part.records) for part in parts]
    counts = np.repeat(np.array([part.layout.points for part in parts], np.intp), sizes)
    for part, begin in zip(parts, begins, strict=False):
        if not part.layout.count_width:
            continue
        if part.rank is None:
            counts[begin : begin + len(part.records)] = counts_of(part.head, part.layout)
        else:
            counts[begin] -= missing_of(part.head, part.layout, part.rank)
    if counts.min(initial=0) < 0:
        raise DamagedTile("a tile has fewer readings than none")
    return counts
