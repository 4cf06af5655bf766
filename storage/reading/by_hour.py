"""One resource's statistics of one meter by the hour: every hour stands in one layer, so nothing is put together.

Where that is not so, or a tile is not as most are, `storage.reading.counting` counts.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from storage.columns import Floats, Integers, Volumes, is_real
from storage.names import Names
from storage.query import GroupKey, StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.hourly import counted, is_counted
from storage.reading.hours import HourColumns, Hours, ascend, columns_of, hours_of
from storage.reading.sums import joined
from storage.tiles import records, rolls
from storage.tiles.bundles import Points, Records
from storage.tiles.records import Plan
from storage.watermarks import HOUR

HOUR_S: Final = HOUR // 1_000_000

_HOURS = np.arange(rolls.HOURS) * HOUR


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a resource and meter: records of days and of hours, and rows of `hot`.

    `hot` has time and reading, in order. `start` and `end` are what may be told of the days and hours.
    """

    mid: int
    start: int
    end: int
    days: Records | None
    hours: Records | None
    hot: Sequence[tuple[int, float]]


_Readings = tuple[list[int], Sequence[float]]  # times, and numbers


def is_by_hour(query: StatisticsQuery) -> bool:
    """Whether this may be answered here, of one resource and meter."""
    return query.period_s == HOUR_S and not query.stddev and not query.cardinality


def answer(names: Names, query: StatisticsQuery, rid: int, found: Found) -> Hours | StatisticsTable | None:
    """The statistics; None where they have to be counted. Raises DamagedTile, KeyError for what is not learned."""
    meter, owner = names.meter(found.mid), names.owner(rid)
    tiles = _of_tiles(found, real=meter.real)
    if tiles is None:
        return None
    ts, values = tiles
    if found.hot:
        later, others = zip(*found.hot, strict=True)
        ts, values = [*ts, *later], [*values, *others]
    rows = hours_of(ts, values, real=meter.real)
    if rows is None:
        return None
    called: Mapping[GroupKey, str | None] = {
        "resource_id": owner.resource_id,
        "project_id": owner.project_id,
    }
    groups = {key: called[key] for key in query.groupby}
    if found.days is None:
        return Hours(meter.unit, groups, rows)
    days = _of_days(found.days, found, real=meter.real)
    if days is None:
        return None
    pieces = [piece for piece in (days, *map(columns_of, [rows] if rows else [])) if len(piece.start)]
    if not pieces:
        return nothing(query.groupby)
    whole = pieces[0] if len(pieces) == 1 else HourColumns(*map(np.concatenate, zip(*pieces, strict=True)))
    if np.count_nonzero(whole.start[1:] > whole.start[:-1]) < len(whole.start) - 1:
        return None
    return whole.table(meter.unit, groups)


def _of_days(days: Records, found: Found, *, real: bool) -> HourColumns | None:
    bundle, grid = days.bundle, days.grid
    plans, size = bundle.plans, len(bundle.meters)
    rows = plans[:size]
    others = [] if rolls.COUNT in rows[0].numbers else plans[size:]
    if not (_are_alike(rows) and _are_alike(others)):
        return None
    columns = _columns(rows, grid) | _columns(others, grid[size * len(rows[0].numbers) :])
    if not is_counted(columns, real=real):
        return None
    begin = (np.array(bundle.starts)[:, None] + _HOURS).ravel()
    chosen = (columns[rolls.COUNT] > 0) & (begin >= found.start) & (begin < found.end)
    if not chosen.all():
        begin, columns = begin[chosen], {number: column[chosen] for number, column in columns.items()}
    one = counted(0, found.mid, begin, begin, columns)
    high, is_total = one.high, rolls.TOTAL in columns
    total: Numbers = cast("Floats", high) + 0.0 if is_total else joined(cast("Integers", high), one.low)
    return HourColumns(begin, one.count, one.first, one.last, one.least + 0, one.most + 0, total)


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


def _of_tiles(found: Found, *, real: bool) -> _Readings | None:
    """The readings in tiles; None where stamps are missing, or do not fit, or numbers are of another kind."""
    if found.hours is None:
        return [], []
    bundle, grid = found.hours.bundle, found.hours.grid
    if not bundle.has_stamps:
        return None
    size = len(bundle.meters)
    volume = records.volumes([plan.kinds[0] for plan in bundle.plans[:size]], grid[:size])
    if is_real(volume) != real:
        return None
    readings: _Readings | None = grid[size:].ravel().tolist(), volume.ravel().tolist()
    if not bundle.is_even:
        readings = _of_uneven(found.hours.points(), grid[size:].tolist(), volume.tolist())
    if readings is None:
        return None
    ts, values = readings
    if ts and found.start <= ts[0] and ts[-1] < found.end:
        return ts, values
    begin, end = bisect_left(ts, found.start), bisect_left(ts, found.end)
    return (ts[begin:end], values[begin:end]) if ascend(ts) else None


def _of_uneven(
    points: Sequence[Points], stamps: Sequence[list[int]], volume: Sequence[list[float]]
) -> _Readings | None:
    """The same of rows of which some have fewer readings, or none at some stamps."""
    times, values = list[int](), list[float]()
    for own, beside, ts, some in zip(points, points[len(stamps) :], stamps, volume, strict=False):
        count, at = own
        if (at is None and count != beside.number) or max(at or (0,)) >= beside.number:
            return None
        times += ts[:count] if at is None else [ts[place] for place in at]
        values += some[:count]
    return times, values
