"""Records of many tiles unpacked together: what numpy costs a call is paid once, not once a tile."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
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
    """The series of all parts as rows of one grid, and how many values of each row count; the rest is noise.

    The grid lies in memory point by point: most is done to the same point of all series at once.
    """
    sizes = [len(part.records) for part in parts]
    begins = [0, *np.cumsum(sizes).tolist()]
    points = max((part.layout.points for part in parts), default=0)
    counts = _counts(parts, begins)
    grid = np.zeros((points, begins[-1]), np.uint64)
    if not points:
        return grid.view(np.int64).T, counts
    _put_fields(grid, parts, begins)
    _affine(grid[0], sizes, [part.layout.base_shift for part in parts], [part.layout.base for part in parts])
    _affine(grid[1:], sizes, [part.layout.shift for part in parts], [part.layout.least for part in parts])
    _put_outliers(grid, parts, begins)
    if begins[-1] < bits.MANY:
        np.add.accumulate(grid, axis=0, out=grid)
    else:  # the same, but each point in a processor's cache
        for before, point in pairwise(grid):
            np.add(point, before, out=point)
    return grid.view(np.int64).T, counts


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


def _put_fields(grid: bits.Words, parts: Sequence[Part], begins: Sequence[int]) -> None:
    """The packed fields of bases and deltas, as they are."""
    alike: dict[tuple[int, int, int, int], list[int]] = {}
    for index, (_, layout, records, _) in enumerate(parts):
        stride = records.shape[1]
        if stride < layout.record_bytes:
            raise DamagedTile("the records of a tile are cut off")
        if layout.record_bytes:
            key = stride, layout.base_bytes, layout.width, layout.deltas
            alike.setdefault(key, []).append(index)
    for (stride, base_bytes, width, deltas), some in alike.items():
        padded = b"".join([*[parts[index].records.data for index in some], bytes(bits.TAIL)])
        runs = list(_runs(some, begins))
        whole = grid[: 1 + deltas, runs[0][0] : runs[0][1]]
        if len(runs) > 1:
            whole = np.empty((1 + deltas, (len(padded) - bits.TAIL) // stride), np.uint64)
        bits.unpack_across(padded, whole[:1], 8 * base_bytes, start=0, stride=stride)
        bits.unpack_across(padded, whole[1:], width, start=base_bytes, stride=stride)
        if len(runs) > 1:
            at = 0
            for begin, end in runs:
                grid[: 1 + deltas, begin:end] = whole[:, at : at + end - begin]
                at += end - begin


def _runs(some: Sequence[int], begins: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From where to where the series of these parts stand; of parts side by side at once."""
    first = some[0]
    for index, after in pairwise([*some, -1]):
        if after != index + 1:
            yield begins[first], begins[index + 1]
            first = after


def _affine(fields: bits.Words, sizes: Sequence[int], shifts: Sequence[int], bases: Sequence[int]) -> None:
    """Shifts the fields of each part (so many along the last axis), and adds its base."""
    if any(shifts):
        np.left_shift(fields, np.repeat(np.array(shifts, np.uint64), sizes), out=fields)
    if any(bases):
        base = np.array([base & _ALL for base in bases], np.uint64)
        np.add(fields, np.repeat(base, sizes), out=fields)


def _put_outliers(grid: bits.Words, parts: Sequence[Part], begins: Sequence[int]) -> None:
    """The outliers of all parts, those of equal sizes together."""
    alike: dict[tuple[int, int], list[int]] = {}
    for index, part in enumerate(parts):
        layout, at = part.layout, part.layout.outliers_at
        # A byte for the slot of each stands first.
        if layout.outliers and (
            part.rank is None or part.head.find(part.rank, at, at + layout.outliers) >= 0
        ):
            alike.setdefault((layout.place_code, layout.delta_code), []).append(index)
    for some in alike.values():
        chosen = [parts[one] for one in some]
        (slot, place), delta = unpack_outliers([(part.head, part.layout) for part in chosen])
        numbers = [part.layout.outliers for part in chosen]
        column = np.repeat([begins[one] for one in some], numbers)
        if any(part.rank is not None for part in chosen):
            rank = np.repeat([-1 if part.rank is None else part.rank for part in chosen], numbers)
            mine = (rank < 0) | (slot == rank)
            slot, place, delta, column = (
                np.where(rank < 0, slot, 0)[mine],
                place[mine],
                delta[mine],
                column[mine],
            )
        grid[place + 1, column + slot] = delta.view(np.uint64)


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
