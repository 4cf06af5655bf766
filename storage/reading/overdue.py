"""Readings that came after their hour was closed and are not in its tile yet."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from storage.columns import Columns
from storage.names import Names
from storage.reading.polled import only
from storage.watermarks import DAY


class Overdue:
    """The late readings of a question; whatever else is found of the same resource, kind and time wins over them."""

    def __init__(self, names: Names, found: Sequence[Columns]) -> None:
        self._names = names
        self._found = found
        self.days = frozenset(
            (one.gid, day) for one in found for day in np.unique(one.ts - one.ts % DAY).tolist()
        )
        self._left: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
        for one in found:
            keys = zip(one.rid.tolist(), one.ts.tolist(), strict=True)
            self._left.setdefault(self._kind(one), set()).update(keys)
        self._times = {
            kind: np.unique(np.array([ts for _, ts in keys], np.int64)) for kind, keys in self._left.items()
        }

    def join(self, found: Iterable[Columns], *, rest: bool = True) -> Iterator[Columns]:
        """What was found elsewhere, and then (with `rest`) the late readings nothing found so far is instead of."""
        for one in found:
            self._meet(one)
            yield one
        if rest:
            yield from self.rest()

    def _meet(self, found: Columns) -> None:
        if not self._left or (times := self._times.get(self._kind(found))) is None:
            return
        at = np.flatnonzero(np.isin(found.ts, times))
        self._left[self._kind(found)].difference_update(
            zip(found.rid[at].tolist(), found.ts[at].tolist(), strict=True)
        )

    def rest(self) -> Iterator[Columns]:
        """The late readings that nothing found so far is instead of."""
        for one in self._found:
            left = self._left[self._kind(one)]
            keys = zip(one.rid.tolist(), one.ts.tolist(), strict=True)
            chosen = np.array([key in left for key in keys], bool)
            if chosen.any():
                yield only(one, chosen)

    def _kind(self, found: Columns) -> tuple[str, str, str]:
        return self._names.meter(found.mid).kind
