"""Rows of `hot` as the samples they hold.

What is newest is asked for until there is newer, by everybody who looks at it: the samples of a row are made once and
kept, by all that the row says.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from storage.names import Meter, Names
from storage.packing import READING, derived_message_id
from storage.reading.stored import FoundSample

KEPT_MAX: Final = 10_000  # samples, each with a few hundred bytes

Row = tuple[int, int, int, int, int, bytes]  # as in `hot`: rid, ts, part, ver, recv, vals
_Order = tuple[int, str, str, str, int]
_Samples = Sequence[tuple[_Order, FoundSample]]
_Places = list[tuple[int, int, Meter]]  # byte of a row's readings, and the meter there

_REAL, _INTEGER = struct.Struct(">d").unpack_from, struct.Struct(">q").unpack_from
_order = itemgetter(0)


class Wanted(NamedTuple):
    """What of rows is asked for: some meters, and of versions those that are `good`; None: all.

    `is_alone`: the rows hold nothing but the reading of the one wanted meter.
    """

    mids: frozenset[int] | None
    good: Mapping[int, bool] | None
    is_alone: bool = False


class Familiar:
    """The samples of rows that were asked for, in any thread."""

    def __init__(self) -> None:
        self._known: dict[frozenset[int] | None, dict[Row, _Samples]] = {}
        self._count = 0

    def newest(
        self, names: Names, rows: Sequence[Row], wanted: Wanted, limit: int
    ) -> list[FoundSample] | None:
        """The newest samples in complete rows, newest first: at least `limit` of them, if there are so many.

        `rows` come newest first. None where rows compete for a reading. Raises KeyError for a name that is not learned.
        """
        columns = {part: _columns(names, part, wanted) for part in {row[2] for row in rows}}
        if _compete(columns, rows):
            return None
        known, good = self._known.get(wanted.mids, {}), wanted.good
        found: list[tuple[_Order, FoundSample]] = []
        last = -1
        for row in rows:
            if row[1] != last and len(found) >= limit:
                break
            last = row[1]
            if good is None or good[row[3]]:
                found += known.get(row) or self._keep(wanted.mids, row, _samples(names, row, columns[row[2]]))
        found.sort(key=_order)
        return [sample for _, sample in found]

    def _keep(self, mids: frozenset[int] | None, row: Row, samples: _Samples) -> _Samples:
        self._count += len(samples)
        if self._count > KEPT_MAX:
            self._known, self._count = {}, len(samples)
        self._known.setdefault(mids, {})[row] = samples
        return samples


def _columns(names: Names, part: int, wanted: Wanted) -> _Places:
    """Where in a row the wanted meters stand."""
    return [
        (0 if wanted.is_alone else place * READING, mid, names.meter(mid))
        for place, mid in enumerate(names.mids_of(part))
        if wanted.mids is None or mid in wanted.mids
    ]


def _compete(columns: Mapping[int, _Places], rows: Iterable[Row]) -> bool:
    """Whether two readings of one kind may be of one resource and time."""
    if any(len({meter.kind for _, _, meter in places}) < len(places) for places in columns.values()):
        return True
    if len(columns) <= 1:
        return False
    moments = [row[:2] for row in rows]
    return len({*moments}) < len(moments)


def _samples(names: Names, row: Row, places: _Places) -> _Samples:
    rid, ts, _, ver, recv, vals = row
    owner, version = names.owner(rid), names.version(ver)
    found = []
    for place, mid, meter in places:
        volume = (_REAL if meter.real else _INTEGER)(vals, place)[0]
        order = -ts, owner.resource_id, owner.project_id or "", meter.name, mid
        message_id = derived_message_id(rid, mid, ts)
        found.append((order, FoundSample(message_id, ts, recv, volume, meter, owner, version, None)))
    return found
