"""Readings and figures brought to one form, ready to be put together by whatever is asked for.

A *line* is one reading, some readings that stood side by side and belong together, or one entry of figures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from storage.columns import Columns, Figures, Floats, Integers, Volumes, Wanted
from storage.reading.sums import SMALL, integer_sums, real_sums

Array = TypeVar("Array", bound=NDArray[Any])  # Any: of every kind of number

BATCH = 1 << 16  # readings taken together: arrays that stay in a processor's cache


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of integer meters, or lines of real ones; arrays of one length, in no order.

    `period` counts from the origin, `rid` and `ver` are those of every reading of a line only where that was asked for.
    The sum of a line is `high * 2**32 + low` of integer meters, and `high` plus each of `more` of real ones.
    `spread` is the sum of squares of the distances to the mean, NaN where nobody knows it, None when nobody asked.
    """

    gid: Integers
    mid: Integers
    rid: Integers
    ver: Integers
    period: Integers
    count: Integers
    first: Integers
    last: Integers
    least: Volumes
    most: Volumes
    high: Volumes
    low: Integers
    spread: Floats | None
    more: tuple[Floats, ...] = ()

    @property
    def real(self) -> bool:
        """Whether the lines are of real meters."""
        return self.high.dtype == np.float64


ARRAYS = tuple(field.name for field in fields(Lines) if field.name not in {"spread", "more"})


@dataclass(frozen=True, slots=True)
class Grain:
    """What must not be put together in one line: other periods always, and what is named here."""

    wanted: Wanted
    by_version: bool = False
    by_project: bool = False

    def period_of(self, ts: Integers) -> Integers:
        """The number of the period each time lies in."""
        if self.wanted.width_us is None:
            return np.zeros(len(ts), dtype=np.int64)
        return (ts - self.wanted.origin_us) // self.wanted.width_us


def gather(blocks: Iterable[Columns | Figures], grain: Grain, known: Iterable[Lines] = ()) -> list[Lines]:
    """All lines, and those that are known: those of integer meters and those of real ones, as far as there are any.

    Where the spread is wanted each reading is a line of its own.
    """
    kinds = (_Kind(grain), _Kind(grain))
    for lines in known:
        kinds[lines.real].found.append(lines)
    for block in blocks:
        if isinstance(block, Figures):
            kinds[block.high.dtype == np.float64].figures.append(block)
        else:
            kinds[block.volume.dtype == np.float64].add(block)
    gathered = [kind.lines() for kind in kinds]
    return [lines for lines in gathered if lines is not None and len(lines.gid)]


class _Kind:
    """What came so far of integer meters, or of real ones."""

    def __init__(self, grain: Grain) -> None:
        self.figures: list[Figures] = []
        self.found: list[Lines] = []
        self._grain = grain
        self._waiting: list[Columns] = []
        self._readings = 0

    def add(self, block: Columns) -> None:
        if len(block.ts):
            self._waiting.append(block)
            self._readings += len(block.ts)
        if self._readings >= BATCH:
            self._put_together()

    def lines(self) -> Lines | None:
        if self._waiting:
            self._put_together()
        if self.figures:
            self.found.append(_of_figures(self.figures, self._grain))
        return _joined(self.found) if self.found else None

    def _put_together(self) -> None:
        self.found.append(_of_columns(self._waiting, self._grain))
        self._waiting, self._readings = [], 0


def _of_columns(blocks: Sequence[Columns], grain: Grain) -> Lines:
    sizes = np.array([len(block.ts) for block in blocks])
    offsets = np.cumsum(sizes) - sizes
    rid, ts = _chain([block.rid for block in blocks]), _chain([block.ts for block in blocks])
    ver, volume = _chain([block.ver for block in blocks]), _chain([block.volume for block in blocks])
    period = grain.period_of(ts)
    if grain.wanted.spread or _is_huge(volume):
        starts = np.arange(len(ts))
    else:
        differ = [period] if grain.wanted.width_us is not None else []
        # Readings of several groups (gid 0) may be of several projects.
        several = grain.by_project and any(block.gid == 0 for block in blocks)
        differ += [rid] if grain.wanted.by_resource or several else []
        differ += [ver] if grain.by_version else []
        starts = _starts(offsets, differ, len(ts))
    block = np.searchsorted(offsets, starts, side="right") - 1
    count = np.diff(starts, append=len(ts))
    high, low, more = _sums(volume, starts)
    return Lines(
        gid=np.array([block.gid for block in blocks])[block],
        mid=np.array([block.mid for block in blocks])[block],
        rid=rid[starts],
        ver=ver[starts],
        period=period[starts],
        count=count,
        first=reduced(np.minimum, ts, starts),
        last=reduced(np.maximum, ts, starts),
        least=reduced(np.minimum, volume, starts),
        most=reduced(np.maximum, volume, starts),
        high=high,
        low=low,
        spread=np.zeros(len(starts)) if grain.wanted.spread else None,
        more=more,
    )


def _of_figures(blocks: Sequence[Figures], grain: Grain) -> Lines:
    sizes = np.array([len(block.rid) for block in blocks])
    first = _chain([block.first for block in blocks])
    return Lines(
        gid=np.repeat([block.gid for block in blocks], sizes),
        mid=np.repeat([block.mid for block in blocks], sizes),
        rid=_chain([block.rid for block in blocks]),
        ver=np.zeros(len(first), dtype=np.int64),
        period=grain.period_of(first),
        count=_chain([block.count for block in blocks]),
        first=first,
        last=_chain([block.last for block in blocks]),
        least=_chain([block.least for block in blocks]),
        most=_chain([block.most for block in blocks]),
        high=_chain([block.high for block in blocks]),
        low=_chain([block.low for block in blocks]),
        spread=_chain([_spread(block) for block in blocks]) if grain.wanted.spread else None,
    )


def _spread(block: Figures) -> Floats:
    return np.full(len(block.rid), np.nan) if block.spread is None else block.spread


def reduced(operation: np.ufunc, values: Array, starts: Integers) -> Array:
    """The least, most or sum of each pile."""
    if len(starts) == len(values):
        return values
    result: Any = operation.reduceat(values, starts)  # Any: as in `Array`
    found: Array = result
    return found


def _sums(volume: Volumes, starts: Integers) -> tuple[Volumes, Integers, tuple[Floats, ...]]:
    if volume.dtype == np.int64:
        return *integer_sums(volume.astype(np.int64, copy=False), starts), ()
    high, *more = real_sums(volume.astype(np.float64, copy=False), starts)
    return high, np.zeros(len(starts), dtype=np.int64), tuple(more)


def _starts(offsets: Integers, differ: Iterable[Integers], length: int) -> Integers:
    """Where a line begins: at each block, and where one of the columns changes."""
    border = np.zeros(length, dtype=np.bool_)
    border[offsets] = True
    for column in differ:
        border[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(border)


def _is_huge(volume: Volumes) -> bool:
    if volume.dtype == np.int64:
        return False
    return not (float(volume.max()) < SMALL and float(volume.min()) > -SMALL)


def _joined(pieces: Sequence[Lines]) -> Lines:
    if len(pieces) == 1:
        return pieces[0]
    width = max(len(piece.more) for piece in pieces)
    more = tuple(
        np.concatenate(
            [piece.more[n] if n < len(piece.more) else np.zeros(len(piece.gid)) for piece in pieces]
        )
        for n in range(width)
    )
    spreads = [piece.spread for piece in pieces if piece.spread is not None]
    joined: dict[str, Any] = {name: _chain([getattr(piece, name) for piece in pieces]) for name in ARRAYS}
    return replace(pieces[0], **joined, spread=_chain(spreads) if spreads else None, more=more)


def _chain(arrays: Sequence[Array]) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    joined: Any = np.concatenate(list(arrays))  # Any: mypy forgets the kind
    chained: Array = joined
    return chained
