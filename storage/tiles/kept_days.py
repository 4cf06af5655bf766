"""What this process sealed of days that are not compacted yet, so that to compact them it need not be read again.

It is believed only where the database has the very tiles that were made of it, by the heads of all of them: these have
checksums of the records. Where anybody wrote another tile, late samples for example, the day is read as ever.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from storage.reading.asking import ask
from storage.tiles.layout import Series, TileRow
from storage.tiles.rows import Meters
from storage.watermarks import DAY

MOST = 1_000_000  # readings that are kept, about 11 bytes each: a day of some 300 instances

Key = tuple[int, int]  # a group, and the beginning of a day; or the beginning of a tile, and a mid

_HEADS = "SELECT start, mid, head FROM tile WHERE gid = %s AND start >= %s AND start < %s"


class _Step(NamedTuple):
    """Readings of some hours, and the heads of their tiles."""

    meters: Meters
    heads: Mapping[Key, bytes]


class KeptDays:
    """At most so many readings; where more come, the earliest days are forgotten first, group by group."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._readings = 0
        self._steps: dict[Key, list[_Step]] = {}

    def keep(self, gid: int, meters: Meters, start: int, rows: Sequence[TileRow]) -> None:
        """Readings of a group by slot and time, and the rows of the tile they became, which begins then."""
        heads = {(start, row.mid): row.block.head for row in rows}
        day = start - start % DAY
        others = [step for step in self._drop((gid, day)) if step.heads.keys().isdisjoint(heads)]
        steps = self._steps[gid, day] = [
            *others,
            _Step(meters, heads),
        ]  # not what a transaction before wrote in vain
        self._readings += sum(_count(step.meters) for step in steps)
        while self._readings > self._most:
            self._drop(min(self._steps, key=lambda key: (key[1], key[0])))

    def taken(self, connection: Connection, gid: int, day: int) -> dict[int, list[Series]] | None:
        """All readings in the hour tiles of a group's day, by mid, in the order of time; None where that is not known.

        They are not kept any longer.
        """
        steps = self._drop((gid, day))
        if not steps:
            return None
        heads = {key: head for step in steps for key, head in step.heads.items()}
        rows = ask(connection, _HEADS, (gid, day, day + DAY))
        if heads != {(start, mid): bytes(head) for start, mid, head in rows}:
            return None
        parts: dict[int, list[Series]] = {}
        for step in sorted(steps, key=lambda step: min(step.heads)):
            for mid, series in step.meters.items():
                parts.setdefault(mid, []).append(series)
        return parts

    def _drop(self, key: Key) -> list[_Step]:
        steps = self._steps.pop(key, [])
        self._readings -= sum(_count(step.meters) for step in steps)
        return steps


def _count(meters: Meters) -> int:
    return sum(len(series.ts) for series in meters.values())
