"""Rows of `hot` and `late` on their way into a table: a column each, so that a dialect can send them as they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.ingest.batch import spread, starts
from storage.packing import READING

BigEndian = NDArray[np.int64]  # in the byte order of the tables

KEY = 4  # columns, which come first
ARRAY_BYTES = 150  # that an array takes beside its numbers


@dataclass(frozen=True, slots=True)
class Rows:
    """Sorted by key (gid, ts, rid, part), which no two rows share.

    `numbers` are the columns gid, rid, ts, part, ver and recv; `width` says how many of `readings`, which follow
    one another, belong to each row.
    """

    numbers: tuple[Integers, ...]
    width: Integers
    readings: BigEndian

    def __len__(self) -> int:
        return len(self.width)

    @property
    def ts(self) -> Integers:
        """Observation time of each row, microseconds since 1970 UTC."""
        return self.numbers[2]

    @property
    def part(self) -> Integers:
        """The shape of each row."""
        return self.numbers[3]

    @property
    def nbytes(self) -> int:
        """What they take in memory, by estimate: few rows take more for their arrays than for what is in them."""
        columns = (*self.numbers, self.width, self.readings)
        return sum(column.nbytes + ARRAY_BYTES for column in columns)

    def only(self, chosen: NDArray[np.bool_]) -> "Rows":
        """The chosen ones of these rows."""
        if chosen.all():
            return self
        readings = self.readings[spread(starts(self.width)[chosen], self.width[chosen])]
        return Rows(tuple(column[chosen] for column in self.numbers), self.width[chosen], readings)

    def vals(self) -> Iterator[bytes]:
        """The last column: the readings of each row."""
        data, begin = self.readings.tobytes(), 0
        for end in (np.cumsum(self.width) * READING).tolist():
            yield data[begin:end]
            begin = end

    def tuples(self) -> Iterator[tuple[int | bytes, ...]]:
        """Each row as a tuple, in the order of the table's columns."""
        return zip(*(column.tolist() for column in self.numbers), self.vals(), strict=True)


def sorted_rows(numbers: tuple[Integers, ...], width: Integers, readings: Integers) -> Rows:
    """Rows in the order of their key; `readings` are those of the rows as they are given."""
    gid, rid, ts, part, *_ = numbers
    order = np.lexsort((part, rid, ts, gid))
    gathered = readings[spread(starts(width)[order], width[order])]
    return Rows(tuple(column[order] for column in numbers), width[order], gathered.astype(">i8"))
