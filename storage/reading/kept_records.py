"""Hourly figures of days as they were decoded last: a day that is over seldom changes, and is asked for over and over.

Whoever asks gets the heads of all days from the database, which have checksums of what stands behind them; where these
are the same, what was decoded is right, and the records themselves need not come.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from storage.reading.hourly import Records

MOST = 64 << 20  # bytes that are kept: a month of a hundred resources and a meter takes 3 MB

BYTES, ROW_BYTES = 4000, 400  # that an entry, and a row of it, take beside what is in them

Key = tuple[
    frozenset[int], int, int, int | None
]  # groups, meter, first day, and the last one if there is one
Heads = frozenset[tuple[int | bytes, ...]]


@dataclass(frozen=True, slots=True)
class Known:
    """The rows without their records, and what these are; by group."""

    heads: Heads
    days: Sequence[tuple[int, Records]]

    @property
    def nbytes(self) -> int:
        """What all of it takes in memory, by estimate."""
        found = [records for _, records in self.days]
        arrays = [column for records in found for column in (records.places, *records.columns.values())]
        texts = sum(len(one) for row in self.heads for one in row if isinstance(one, bytes))
        return BYTES + sum(column.nbytes for column in arrays) + ROW_BYTES * len(self.heads) + texts


class KeptRecords:
    """At most so many bytes; what was not asked for the longest is forgotten first. For any number of threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> Known | None:
        """What is known of these days."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def keep(self, key: Key, known: Known) -> None:
        """In place of what was known of these days; nobody may change its arrays."""
        for _, records in known.days:
            for column in records.columns.values():
                column.flags.writeable = False
        with self._lock:
            self._forget(key)
            self._known[key] = known
            self._bytes += known.nbytes
            while self._bytes > self._most:
                self._forget(next(iter(self._known)))

    def _forget(self, key: Key) -> None:
        gone = self._known.pop(key, None)
        self._bytes -= gone.nbytes if gone is not None else 0
