"""One resource's statistics of one meter by the hour: every hour stands in one layer, so nothing is put together.

Where that is not so, or a tile is not as most are, `storage.reading.counting` counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import Final, NamedTuple, cast

import numpy as np

from storage.columns import Floats, Integers, Volumes
from storage.names import Names
from storage.packing import READING
from storage.query import GroupKey, StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.grouping import Labels
from storage.reading.hourly import counted, is_counted
from storage.reading.sums import SMALL, integer_sums, joined
from storage.tiles import records, rolls
from storage.tiles.records import Record
from storage.watermarks import HOUR

HOUR_S: Final = HOUR // 1_000_000
FEW: Final = 64  # so many divisions are quicker one by one

_REAL, _INTEGER = Struct(">d").unpack_from, Struct(">q").unpack_from
_HOURS = np.arange(rolls.HOURS) * HOUR
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a resource and meter: records by beginning of their day or hour, stamps apart; rows of `hot`.

    `hot` has (time, part, readings). `start` and `end` are what may be told of the days.
    """

    mid: int
    start: int
    end: int
    days: Mapping[int, Record]
    day_stamps: Mapping[int, Record]
    hours: Mapping[int, Record]
    hour_stamps: Mapping[int, Record]
    hot: Sequence[tuple[int, int, bytes]]


class _Hours(NamedTuple):
    """One entry an hour that has a reading; sums are exact, those of real meters the nearest float."""

    start: Integers
    counts: Integers
    first: Integers
    last: Integers
    least: Volumes
    most: Volumes
    total: Numbers


_NOTHING: Final = _Hours(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE)


def is_by_hour(query: StatisticsQuery) -> bool:
    """Whether this may be answered here, of one resource and meter."""
    return query.period_s == HOUR_S and not query.stddev and not query.cardinality


def table(names: Names, query: StatisticsQuery, rid: int, found: Found) -> StatisticsTable | None:
    """The statistics; None where they have to be counted. Raises DamagedTile, KeyError for what is not learned."""
    parts = [_of_days(names, found), _of_readings(names, found)]
    pieces = [part for part in parts if part is not None and len(part.start)]
    if None in parts:
        return None
    if not pieces:
        return nothing(query.groupby)
    whole = pieces[0] if len(pieces) == 1 else _Hours(*map(np.concatenate, zip(*pieces, strict=True)))
    if (whole.start[1:] <= whole.start[:-1]).any():
        return None
    alike, owner = np.zeros(len(whole.start), np.int64), names.owner(rid)
    called: Mapping[GroupKey, str | None] = {
        "resource_id": owner.resource_id,
        "project_id": owner.project_id,
    }
    return StatisticsTable(
        unit=Labels((names.meter(found.mid).unit,), alike),
        groups={key: Labels((called[key],), alike) for key in query.groupby},
        count=whole.counts,
        first=whole.first,
        last=whole.last,
        minimum=whole.least + 0,  # a zero has no sign
        maximum=whole.most + 0,
        total=whole.total,
        quotient=_quotient(whole.total, whole.counts),
        period_start=whole.start,
        period_us=HOUR,
    )


def _of_days(names: Names, found: Found) -> _Hours | None:
    starts = sorted(found.days)
    if not starts:
        return _NOTHING
    rows = [found.days[start] for start in starts]
    numbers = rows[0].plan.numbers
    stamps = [] if rolls.COUNT in numbers else [found.day_stamps.get(start) for start in starts]
    others = [row for row in stamps if row is not None]
    if len(others) < len(stamps) or not (_are_alike(rows) and _are_alike(others)):
        return None
    grid = records.unpacked([*rows, *others])
    columns = _columns(rows, grid) | _columns(others, grid[len(rows) * len(numbers) :])
    if not is_counted(columns, real=names.meter(found.mid).real):
        return None
    begin = (np.array(starts)[:, None] + _HOURS).ravel()
    chosen = (columns[rolls.COUNT] > 0) & (begin >= found.start) & (begin < found.end)
    if not chosen.all():
        begin, columns = begin[chosen], {number: column[chosen] for number, column in columns.items()}
    one = counted(0, found.mid, begin, begin, columns)
    high, is_real = one.high, rolls.TOTAL in columns
    total: Numbers = cast("Floats", high) + 0.0 if is_real else joined(cast("Integers", high), one.low)
    return _Hours(begin, one.count, one.first, one.last, one.least, one.most, total)


def _are_alike(rows: Sequence[Record]) -> bool:
    """Whether all have the same columns."""
    return len({row.plan.numbers for row in rows}) <= 1


def _columns(rows: Sequence[Record], grid: Integers) -> dict[int, Volumes]:
    """The columns of records that have the same ones, a value for each hour of each day."""
    if not rows:
        return {}
    numbers = rows[0].plan.numbers
    cells = grid[: len(rows) * len(numbers)].reshape(len(rows), len(numbers), -1)
    kinds = zip(*(row.plan.kinds for row in rows), strict=True)
    return {
        number: records.volumes(some, cells[:, column]).ravel()
        for column, (number, some) in enumerate(zip(numbers, kinds, strict=True))
    }


def _of_readings(names: Names, found: Found) -> _Hours | None:
    tiles, hot = _of_tiles(found), _of_hot(names, found)
    if tiles is None:
        return None
    ts = np.concatenate([tiles[0], hot[0]])
    volume = cast("Volumes", np.concatenate([tiles[1], hot[1]])) if len(tiles[1]) else hot[1]
    if not len(ts):
        return _NOTHING
    real = names.meter(found.mid).real
    if (ts[1:] <= ts[:-1]).any() or (real and not np.abs(volume).max() < SMALL):
        return None
    hour: Integers = ts // HOUR
    starts = np.flatnonzero(np.concatenate(([True], hour[1:] != hour[:-1])))
    ends = np.append(starts[1:], len(ts))
    total: Numbers
    if real:
        numbers, borders = volume.tolist(), [*starts.tolist(), len(ts)]
        total = np.array([math.fsum(numbers[begin:end]) + 0.0 for begin, end in pairwise(borders)])
    else:
        total = joined(*integer_sums(cast("Integers", volume), starts))
    return _Hours(
        start=hour[starts] * HOUR,
        counts=ends - starts,
        first=ts[starts],
        last=ts[ends - 1],
        least=np.minimum.reduceat(volume, starts),
        most=np.maximum.reduceat(volume, starts),
        total=total,
    )


def _of_tiles(found: Found) -> tuple[Integers, Volumes] | None:
    """Times and readings in tiles of hours; None where they lack stamps."""
    starts = sorted(start for start, row in found.hours.items() if row.points)
    if not starts:
        return _NONE, _NONE
    rows = [found.hours[start] for start in starts]
    stamps = [found.hour_stamps[start] for start in starts if start in found.hour_stamps]
    if len(stamps) < len(rows):
        return None
    grid = records.unpacked([*rows, *stamps])
    volume, ts = records.volumes([row.plan.kinds[0] for row in rows], grid[: len(rows)]), grid[len(rows) :]
    if {(row.points, row.positions) for row in (*rows, *stamps)} == {(grid.shape[1], None)}:
        return ts.ravel(), volume.ravel()
    times = []
    for row, beside, own in zip(rows, stamps, ts, strict=True):
        positions = range(row.points) if row.positions is None else row.positions
        if (row.positions is None and row.points != beside.points) or max(positions) >= beside.points:
            return None
        times.append(own[list(positions)])
    kept = [own[: row.points] for row, own in zip(rows, volume, strict=True)]
    return np.concatenate(times), cast("Volumes", np.concatenate(kept))


def _of_hot(names: Names, found: Found) -> tuple[Integers, Volumes]:
    """Times and readings in rows of `hot`."""
    real = names.meter(found.mid).real
    unpack = _REAL if real else _INTEGER
    places: dict[int, int] = {}
    for part in {row[1] for row in found.hot}:
        mids = names.mids_of(part)
        if found.mid in mids:
            places[part] = mids.index(found.mid) * READING
    rows = [(ts, unpack(vals, places[part])[0]) for ts, part, vals in sorted(found.hot) if part in places]
    ts = np.array([ts for ts, _ in rows], np.int64)
    volume = np.array([value for _, value in rows], np.float64 if real else np.int64)
    return ts, cast("Volumes", volume)


def _quotient(total: Numbers, count: Integers) -> Floats | None:
    """Sums divided by counts; None where whoever reads them divides."""
    if total.dtype == np.float64:
        means: Floats = total / count
        return means
    if len(total) > FEW:
        return None
    return np.array([a / b for a, b in zip(total.tolist(), count.tolist(), strict=True)])
