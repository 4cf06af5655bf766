"""One resource's statistics of one meter by the hour: every hour stands in one layer, so nothing is put together.

Where that is not so, or a tile is not as most are, `storage.reading.counting` counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple, cast

import numpy as np

from storage.columns import Floats, Integers, Volumes, is_real
from storage.names import Names
from storage.packing import READING
from storage.query import GroupKey, StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.grouping import Labels
from storage.reading.hourly import counted, is_counted
from storage.reading.sums import SMALL, joined
from storage.tiles import records, rolls
from storage.tiles.bundles import Points, Records
from storage.tiles.records import Plan
from storage.watermarks import HOUR

HOUR_S: Final = HOUR // 1_000_000
FEW: Final = 64  # so many divisions are quicker one by one

_REAL, _INTEGER = Struct(">d").unpack_from, Struct(">q").unpack_from
_HOURS = np.arange(rolls.HOURS) * HOUR
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a resource and meter: records of days and of hours, and rows of `hot`.

    `hot` has (time, part, readings). `start` and `end` are what may be told of the days and hours.
    """

    mid: int
    start: int
    end: int
    days: Records | None
    hours: Records | None
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


_Readings = tuple[Integers, Volumes]  # times, and numbers

_NOTHING: Final = _Hours(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE)
_NO_READINGS: Final = (_NONE, _NONE)


def is_by_hour(query: StatisticsQuery) -> bool:
    """Whether this may be answered here, of one resource and meter."""
    return query.period_s == HOUR_S and not query.stddev and not query.cardinality


def table(names: Names, query: StatisticsQuery, rid: int, found: Found) -> StatisticsTable | None:
    """The statistics; None where they have to be counted. Raises DamagedTile, KeyError for what is not learned."""
    days, tiles, hot = _of_days(names, found), _of_tiles(found), _of_hot(names, found)
    if days is None or tiles is None or hot is None:
        return None
    rest = _counted(*_joined(tiles, hot))
    if rest is None:
        return None
    pieces = [piece for piece in (days, rest) if len(piece.start)]
    if not pieces:
        return nothing(query.groupby)
    whole = pieces[0] if len(pieces) == 1 else _Hours(*map(np.concatenate, zip(*pieces, strict=True)))
    if np.count_nonzero(whole.start[1:] > whole.start[:-1]) < len(whole.start) - 1:
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
    if found.days is None:
        return _NOTHING
    bundle, grid = found.days.bundle, found.days.grid
    plans, size = bundle.plans, len(bundle.meters)
    rows = plans[:size]
    others = [] if rolls.COUNT in rows[0].numbers else plans[size:]
    if not (_are_alike(rows) and _are_alike(others)):
        return None
    columns = _columns(rows, grid) | _columns(others, grid[size * len(rows[0].numbers) :])
    if not is_counted(columns, real=names.meter(found.mid).real):
        return None
    begin = (np.array(bundle.starts)[:, None] + _HOURS).ravel()
    chosen = (columns[rolls.COUNT] > 0) & (begin >= found.start) & (begin < found.end)
    if not chosen.all():
        begin, columns = begin[chosen], {number: column[chosen] for number, column in columns.items()}
    one = counted(0, found.mid, begin, begin, columns)
    high, is_real = one.high, rolls.TOTAL in columns
    total: Numbers = cast("Floats", high) + 0.0 if is_real else joined(cast("Integers", high), one.low)
    return _Hours(begin, one.count, one.first, one.last, one.least, one.most, total)


def _are_alike(rows: Sequence[Plan]) -> bool:
    """Whether all have the same columns."""
    return len({row.numbers for row in rows}) <= 1


def _columns(rows: Sequence[Plan], grid: Integers) -> dict[int, Volumes]:
    """The columns of rows that have the same ones, a value for each hour of each day."""
    if not rows:
        return {}
    numbers = rows[0].numbers
    cells = grid[: len(rows) * len(numbers)].reshape(len(rows), len(numbers), -1)
    kinds = zip(*(row.kinds for row in rows), strict=True)
    return {
        number: records.volumes(some, cells[:, column]).ravel()
        for column, (number, some) in enumerate(zip(numbers, kinds, strict=True))
    }


def _of_tiles(found: Found) -> _Readings | None:
    """The readings in tiles, in order; None where stamps are missing, or do not fit."""
    if found.hours is None:
        return _NO_READINGS
    bundle, grid = found.hours.bundle, found.hours.grid
    if not bundle.has_stamps:
        return None
    size = len(bundle.meters)
    volume = records.volumes([plan.kinds[0] for plan in bundle.plans[:size]], grid[:size])
    if bundle.is_even:
        readings: _Readings | None = grid[size:].ravel(), volume.ravel()
    else:
        readings = _of_uneven(found.hours.points(), grid[size:], volume)
    if readings is None or not _ascend(readings[0]):
        return None
    ts, values = readings
    begin, end = ts.searchsorted((found.start, found.end)).tolist()
    return ts[begin:end], values[begin:end]


def _of_uneven(points: Sequence[Points], stamps: Integers, volume: Volumes) -> _Readings | None:
    """The same of rows of which some have fewer readings, or none at some stamps."""
    times, values = list[Integers](), list[Volumes]()
    for own, beside, ts, numbers in zip(points, points[len(stamps) :], stamps, volume, strict=False):
        count, at = own
        if (at is None and count != beside.number) or max(at or (0,)) >= beside.number:
            return None
        times.append(ts[:count] if at is None else ts[[*at]])
        values.append(numbers[:count])
    return np.concatenate(times), cast("Volumes", np.concatenate(values))


def _of_hot(names: Names, found: Found) -> _Readings | None:
    """The readings in rows of `hot`, in order; None where there are two of a time."""
    if not found.hot:
        return _NO_READINGS
    real = names.meter(found.mid).real
    unpack = _REAL if real else _INTEGER
    places: dict[int, int] = {}
    for part in {row[1] for row in found.hot}:
        mids = names.mids_of(part)
        if found.mid in mids:
            places[part] = mids.index(found.mid) * READING
    rows = [row for row in sorted(found.hot) if row[1] in places]
    ts = np.array([row[0] for row in rows], np.int64)
    numbers = [unpack(vals, places[part])[0] for _, part, vals in rows]
    values: Volumes = np.array(numbers, np.float64) if real else np.array(numbers, np.int64)
    return (ts, values) if _ascend(ts) else None


def _ascend(ts: Integers) -> bool:
    return bool((ts[1:] > ts[:-1]).all())


def _joined(one: _Readings, other: _Readings) -> _Readings:
    if len(one[0]) and len(other[0]):
        return np.concatenate((one[0], other[0])), cast("Volumes", np.concatenate((one[1], other[1])))
    return one if len(one[0]) else other


def _counted(ts: Integers, volume: Volumes) -> _Hours | None:
    """What readings in order come to by the hour; None where their sums are not as easy as they mostly are."""
    if not len(ts):
        return _NOTHING
    hour = ts // HOUR
    begins = np.concatenate(([0], np.flatnonzero(hour[1:] != hour[:-1]) + 1))
    ends = np.append(begins[1:], len(ts))
    counts = ends - begins
    least, most = np.minimum.reduceat(volume, begins), np.maximum.reduceat(volume, begins)
    total: Numbers
    if is_real(volume):
        if not np.abs(volume).max() < SMALL:
            return None
        values = volume.tolist()
        total = np.array([math.fsum(values[begin:end]) + 0.0 for begin, end in _pairs(begins, ends)])
    elif max(int(most.max()), -int(least.min())) * int(counts.max()) < 2**63:
        total = np.add.reduceat(volume, begins)
    else:
        integers = volume.tolist()
        total = _numbers([sum(integers[begin:end]) for begin, end in _pairs(begins, ends)])
    return _Hours(hour[begins] * HOUR, counts, ts[begins], ts[ends - 1], least, most, total)


def _pairs(begins: Integers, ends: Integers) -> Iterable[tuple[int, int]]:
    return zip(begins.tolist(), ends.tolist(), strict=True)


def _numbers(numbers: Sequence[int]) -> Numbers:
    """As Python's integers where int64 does not hold them."""
    with suppress(OverflowError):
        return np.array(numbers, np.int64)
    return np.array(numbers, object)


def _quotient(total: Numbers, count: Integers) -> Floats | None:
    """Sums divided by counts; None where whoever reads them divides."""
    if total.dtype == np.float64:
        means: Floats = total / count
        return means
    if len(total) > FEW:
        return None
    return np.array([a / b for a, b in zip(total.tolist(), count.tolist(), strict=True)])
