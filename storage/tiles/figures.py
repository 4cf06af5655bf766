"""What the readings of a day come to by the hour: the columns that `storage.tiles.rolls` encodes."""

import math
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Floats, Integers, Volumes, is_real
from storage.tiles import rolls
from storage.tiles.kinds import DECIMALS, EXACT, as_integers, as_volumes
from storage.tiles.rolls import HOURS, Counts
from storage.watermarks import DAY, HOUR

_SQUARES_BELOW = float(1 << 31)  # count times the range: its square is below 2**62
_SUMS_BELOW = float(1 << 62)
_UNIT = np.uint32(0xFF)  # the bits of a float32 that are left out of SPREAD
_HALF_UNIT = np.uint32(0x80)
_WORD, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


class Cells:
    """Which hour of which slot each of some readings (by slot and time, all of one day) is in."""

    def __init__(self, slot: Integers, ts: Integers) -> None:
        self.slots = slot[np.flatnonzero(np.diff(slot, prepend=-1))]
        hours = slot * HOURS + ts % DAY // HOUR
        self.begins = np.flatnonzero(np.diff(hours, prepend=-1))
        self.ends = np.append(self.begins[1:], len(ts)) - 1
        self.sizes = np.diff(self.begins, append=len(ts))
        self._hours = hours[self.begins]
        self._cells = np.searchsorted(self.slots, self._hours // HOURS) * HOURS + self._hours % HOURS

    def grid(self, column: Volumes, *, fill: bool = True) -> Volumes:
        """A value for each hour of each slot; empty hours have their neighbour's, or 0 without `fill`."""
        size = len(self.slots) * HOURS
        if len(self._cells) == size:
            return column
        if not fill:
            whole = _zeros(size, column)
            whole[self._cells] = column
            return whole
        return column[self._neighbours]

    @cached_property
    def _neighbours(self) -> Counts:
        """Of each hour of each slot, which of the hours with readings it has its value of."""
        every = np.arange(len(self.slots) * HOURS)
        before = np.maximum(np.searchsorted(self._cells, every, side="right") - 1, 0)
        # A slot's first hours have its first value, not the last one of the slot before.
        own = self._cells[before] // HOURS == every // HOURS
        return np.where(own, before, np.minimum(before + 1, len(self._cells) - 1))

    def times(self, ts: Integers) -> dict[int, Volumes]:
        """COUNT, FIRST and LAST (microseconds within the hour)."""
        return {
            rolls.COUNT: self.grid(self.sizes, fill=False),
            rolls.FIRST: self.grid(ts[self.begins] % HOUR),
            rolls.LAST: self.grid(ts[self.ends] % HOUR),
        }


class Day:
    """Readings of a meter, one for each of those that are in some cells, and what their hours come to."""

    def __init__(self, cells: Cells, volume: Volumes) -> None:
        self._cells, self._volume = cells, volume
        self._least = np.minimum.reduceat(volume, cells.begins)
        self._most = np.maximum.reduceat(volume, cells.begins)

    def values(self) -> dict[int, Volumes]:
        """LEAST, RANGE (of real meters: the most) and the sum of readings.

        No TOTAL where the sum of floats is no float.
        """
        if is_real(self._volume):
            columns: dict[int, Volumes] = {rolls.LEAST: self._least, rolls.RANGE: self._most}
            if (total := _sums(self._volume, self._cells.begins)) is not None:
                columns[rolls.TOTAL] = total
        else:
            columns = {
                rolls.LEAST: self._least,
                rolls.RANGE: self._most - self._least,
            }  # wraps, as the codec does
            columns |= self._integer_sums(cast("Integers", columns[rolls.RANGE]))
        return self._grids(columns)

    def spread(self) -> dict[int, Volumes]:
        """The sum of squares of the distances to the mean of the hour: SQUARES of integers, if it fits, else SPREAD.

        SPREAD has five digits, which halves its bytes; nothing is kept beyond 1e38.
        """
        if not is_real(self._volume) and self._over_most * self._size_most < _SQUARES_BELOW:
            over = self._over.view(np.int64)
            squares = np.add.reduceat(over * over, self._cells.begins)
            return self._grids({rolls.SQUARES: self._cells.sizes * squares - self._total * self._total})
        begins, sizes = self._cells.begins, self._cells.sizes
        floats = self._volume.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.add.reduceat(floats, begins) / sizes
            spread = np.add.reduceat((floats - np.repeat(mean, sizes)) ** 2, begins)
            pattern = spread.astype(np.float32).view(np.uint32)
            rounded = ((pattern + _HALF_UNIT) & ~_UNIT).view(np.float32).astype(np.float64)
        return self._grids({rolls.SPREAD: rounded}) if np.isfinite(rounded).all() else {}

    def counters(self, ver: Integers, generation: Integers) -> dict[int, Volumes]:
        """What usage of a cumulative meter is counted from; `generation` has a number for each life of the counter."""
        begins, ends, volume = self._cells.begins, self._cells.ends, self._volume
        earlier, later = volume[:-1], volume[1:]
        restart = np.zeros(len(volume), bool)
        restart[1:] = (generation[1:] != generation[:-1]) | (later < earlier)
        restart[begins] = False
        restarted = _zeros(len(begins), volume)
        if restart.any():
            added = np.zeros_like(volume)
            added[1:][restart[1:]] = earlier[restart[1:]]
            restarted = np.add.reduceat(added, begins)
        return self._grids(
            {
                rolls.OPENING: volume[begins] - self._least,
                rolls.CLOSING: self._most - volume[ends],
                rolls.RESTARTED: restarted,
                rolls.FIRST_VERSION: ver[begins],
                rolls.LAST_VERSION: ver[ends],
            }
        )

    def _grids(self, columns: dict[int, Volumes]) -> dict[int, Volumes]:
        return {number: self._cells.grid(column) for number, column in columns.items()}

    def _integer_sums(self, ranges: Integers) -> dict[int, Volumes]:
        if self._over_most * self._size_most < _SUMS_BELOW:
            return {rolls.EXCESS: self._total - rolls.half(self._cells.sizes, ranges)}
        high = np.add.reduceat(self._over >> _WORD, self._cells.begins).astype(np.int64)
        low = np.add.reduceat(self._over & _LOW, self._cells.begins).astype(np.int64)
        high, low = high + (low >> 32), low & 0xFFFFFFFF
        if high.max() < 1 << 31:
            return {rolls.EXCESS: (high << 32 | low) - rolls.half(self._cells.sizes, ranges)}
        return {rolls.HIGH: high, rolls.LOW: low}

    @cached_property
    def _over(self) -> NDArray[np.uint64]:
        """How far each reading of an integer meter is over the least of its hour."""
        above: Integers = cast("Integers", self._volume) - np.repeat(self._least, self._cells.sizes)
        return above.view(np.uint64)

    @cached_property
    def _over_most(self) -> float:
        return float(self._over.max())

    @cached_property
    def _size_most(self) -> float:
        return float(self._cells.sizes.max())

    @cached_property
    def _total(self) -> Integers:
        """The sum of `_over` in each hour, where it is below 2**63."""
        total: Integers = np.add.reduceat(self._over.view(np.int64), self._cells.begins)
        return total


def _sums(volume: Floats, begins: Integers) -> Floats | None:
    """The float nearest to the exact sum of each hour, of decimals as they are written; None where one is too large.

    0.1 + 0.2 is 0.3 so, and takes as many bytes as another decimal.
    """
    kind, whole = as_integers(volume)
    if kind in DECIMALS and float(np.abs(whole).max()) * len(whole) <= EXACT:
        return cast("Floats", as_volumes(kind, np.add.reduceat(whole, begins)))
    try:
        return np.array([math.fsum(piece.tolist()) for piece in np.split(volume, begins[1:])])
    except OverflowError:
        return None


def _zeros(size: int, like: Volumes) -> Volumes:
    return np.zeros(size) if is_real(like) else np.zeros(size, np.int64)
