"""Readings of several hours, hour by hour."""

from collections.abc import Iterator, Mapping

import numpy as np

from storage.tiles.layout import Series
from storage.watermarks import HOUR


def by_hour(meters: Mapping[int, Series]) -> Iterator[tuple[int, dict[int, Series]]]:
    """Each hour that has readings: its beginning, and the series of each meter in it (by slot and then time).

    Meters that share their arrays share those of each hour.
    """
    arranged: dict[tuple[int, int, int], _Hours] = {}
    found: dict[int, dict[int, Series]] = {}
    for mid, series in meters.items():
        like = id(series.slot), id(series.ts), id(series.ver)
        if like not in arranged:
            arranged[like] = _Hours(series)
        for start, part in arranged[like].parts(series):
            found.setdefault(start, {})[mid] = part
    yield from sorted(found.items())


class _Hours:
    """Where the readings of each hour are in arrays that meters share."""

    def __init__(self, series: Series) -> None:
        hour = series.ts // HOUR
        first, last = int(hour.min()), int(hour.max())
        self._order = None
        self._parts = [(first * HOUR, 0, len(hour), series)]
        if first < last:
            self._order = np.argsort((hour - first).astype(np.uint8), kind="stable")
            whole = series.only(self._order)
            ends = np.cumsum(np.bincount(hour - first)).tolist()
            self._parts = [
                ((first + place) * HOUR, begin, end, _part(whole, begin, end))
                for place, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
                if begin < end
            ]

    def parts(self, series: Series) -> Iterator[tuple[int, Series]]:
        """Beginning of the hour and the readings of a meter in it."""
        volume = series.volume if self._order is None else series.volume[self._order]
        for start, begin, end, shared in self._parts:
            yield start, Series(shared.slot, shared.ts, shared.ver, volume[begin:end])


def _part(series: Series, begin: int, end: int) -> Series:
    return Series(
        series.slot[begin:end], series.ts[begin:end], series.ver[begin:end], series.volume[begin:end]
    )
