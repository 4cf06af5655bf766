"""One resource's statistics of one meter by the hour: every hour stands in one layer, so nothing is put together.

Where that is not so, or a tile is not as most are, `storage.reading.counting` counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import sub
from struct import Struct
from typing import Any, Final, NamedTuple, cast

import numpy as np

from storage.columns import Floats, Integers, Volumes
from storage.names import Names
from storage.packing import READING
from storage.query import GroupKey, StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.grouping import Labels
from storage.reading.hourly import counted, is_counted
from storage.reading.sums import SMALL, joined
from storage.tiles import records, rolls
from storage.tiles.bundles import Records
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

    `hot` has (time, part, readings). `start` and `end` are what may be told of the days.
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


_Readings = tuple[list[int], list[Any]]  # of one hour: times, and numbers of one kind
_Line = tuple[int, int, int, int, int | float, int | float, int | float]  # as _Hours

_NOTHING: Final = _Hours(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE)


def is_by_hour(query: StatisticsQuery) -> bool:
    """Whether this may be answered here, of one resource and meter."""
    return query.period_s == HOUR_S and not query.stddev and not query.cardinality


def table(names: Names, query: StatisticsQuery, rid: int, found: Found) -> StatisticsTable | None:
    """The statistics; None where they have to be counted. Raises DamagedTile, KeyError for what is not learned."""
    days, tiles, hot = _of_days(names, found), _of_tiles(names, found), _of_hot(names, found)
    if days is None or tiles is None or hot is None:
        return None
    pieces = [days] if len(days.start) else []
    if lines := tiles + hot:
        pieces.append(_as_hours(lines))
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


def _of_tiles(names: Names, found: Found) -> list[_Line] | None:
    """Of the tiles of hours; None where they lack stamps."""
    if found.hours is None:
        return []
    bundle, grid = found.hours.bundle, found.hours.grid
    if not bundle.has_stamps:
        return None
    size, real = len(bundle.meters), names.meter(found.mid).real
    volume = records.volumes([plan.kinds[0] for plan in bundle.plans[:size]], grid[:size])
    if bundle.is_even:
        return _of_grid(bundle.starts, grid[size:], volume, real=real)
    points = found.hours.points()
    some: list[_Readings] = []
    for own, beside, ts, values in zip(
        points, points[size:], grid[size:].tolist(), volume.tolist(), strict=False
    ):
        count, at = own
        if (at is None and count != beside.number) or max(at or (0,)) >= beside.number:
            return None
        if count:
            some.append((ts[:count] if at is None else [ts[place] for place in at], values[:count]))
    return _counted(some, real=real)


def _of_grid(starts: Sequence[int], ts: Integers, volume: Volumes, *, real: bool) -> list[_Line] | None:
    """The same of hours that begin then, a row each, with as many readings: as `_counted`."""
    first, last = ts[:, 0].tolist(), ts[:, -1].tolist()
    if min(map(sub, first, starts)) < 0 or max(map(sub, last, starts)) >= HOUR:
        return None
    if real and not np.abs(volume).max() < SMALL:
        return None
    least, most = np.minimum.reduce(volume, axis=1).tolist(), np.maximum.reduce(volume, axis=1).tolist()
    if real:
        total = [math.fsum(numbers) + 0.0 for numbers in volume.tolist()]
    elif max(*most, -min(least)) * volume.shape[1] < 2**63:
        total = np.add.reduce(volume, axis=1).tolist()
    else:
        total = [sum(numbers) for numbers in volume.tolist()]
    counts = [volume.shape[1]] * len(starts)
    return list(zip(starts, counts, first, last, least, most, total, strict=True))


def _of_hot(names: Names, found: Found) -> list[_Line] | None:
    """Of the rows of `hot`."""
    real = names.meter(found.mid).real
    unpack = _REAL if real else _INTEGER
    places: dict[int, int] = {}
    for part in {row[1] for row in found.hot}:
        mids = names.mids_of(part)
        if found.mid in mids:
            places[part] = mids.index(found.mid) * READING
    some: dict[int, _Readings] = {}
    for ts, part, vals in sorted(found.hot):
        if part in places:
            times, values = some.setdefault(ts // HOUR, ([], []))
            times.append(ts)
            values.append(unpack(vals, places[part])[0])
    return _counted(some.values(), real=real)


def _counted(hours: Iterable[_Readings], *, real: bool) -> list[_Line] | None:
    """What each of these hours comes to; None where that is not as easy as it mostly is."""
    lines: list[_Line] = []
    for ts, values in hours:
        begin = ts[0] - ts[0] % HOUR
        if ts[-1] >= begin + HOUR or ts != sorted(set(ts)):
            return None
        if real and not all(abs(value) < SMALL for value in values):
            return None
        total = math.fsum(values) + 0.0 if real else sum(values)
        lines.append((begin, len(ts), ts[0], ts[-1], min(values), max(values), total))
    return lines


def _as_hours(lines: Sequence[_Line]) -> _Hours:
    start, count, first, last, least, most, total = zip(*lines, strict=True)
    kind = np.float64 if isinstance(total[0], float) else np.int64
    return _Hours(
        np.fromiter(start, np.int64),
        np.fromiter(count, np.int64),
        np.fromiter(first, np.int64),
        np.fromiter(last, np.int64),
        cast("Volumes", np.fromiter(least, kind)),
        cast("Volumes", np.fromiter(most, kind)),
        _numbers(total),
    )


def _numbers(numbers: Sequence[int | float]) -> Numbers:
    """As Python's integers where int64 does not hold them."""
    if isinstance(numbers[0], float):
        return np.array(numbers, np.float64)
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
