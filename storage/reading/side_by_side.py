"""Statistics of one meter by resource and hour: every hour of a resource stands in one layer, so they are put in order.

Records are put in order, not their hours. Where hours overlap, or sums are near the end of the scale,
`storage.reading.counting` counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast

import numpy as np

from storage.columns import Columns, Figures, Floats, Integers, Volumes, Wanted, is_real
from storage.names import Names
from storage.query import StatisticsQuery
from storage.reading.answers import Numbers, StatisticsTable, nothing
from storage.reading.grouping import Labels, labels_of, sorting
from storage.reading.hourly import Records, counted, is_counted
from storage.reading.lines import Grain, Lines, gather
from storage.reading.sums import SMALL, joined, nearest
from storage.tiles import rolls
from storage.tiles.layout import SLOT_BITS
from storage.watermarks import DAY, HOUR

HOUR_S: Final = HOUR // 1_000_000

_HOURS = np.arange(rolls.HOURS)
_GRAIN: Final = Grain(Wanted(HOUR))


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a meter: by group, the records of compacted days; and all readings that are in no such day.

    `start` and `end` are what may be told of the days.
    """

    mid: int
    start: int
    end: int
    days: Sequence[tuple[int, Records]]
    readings: Sequence[Columns]


class _Hours(NamedTuple):
    """An entry for each hour of a resource that has a reading, in order; sums are exact, of floats the nearest one.

    `rank` is the place of the resource's name among all of them.
    """

    rank: Integers
    start: Integers
    counts: Integers
    first: Integers
    last: Integers
    least: Volumes
    most: Volumes
    total: Numbers


def is_side_by_side(query: StatisticsQuery) -> bool:
    """Whether this may be answered here, of whole hours of one meter."""
    by_hour = query.period_s == HOUR_S and query.groupby == ("resource_id",)
    return by_hour and not query.stddev and not query.cardinality


def table(names: Names, query: StatisticsQuery, found: Found) -> StatisticsTable | None:
    """The statistics; None where they have to be counted. Raises KeyError for what is not learned."""
    lines, real = gather(found.readings, _GRAIN), names.meter(found.mid).real
    owners = [names.known_rids(gid, places & (1 << SLOT_BITS) - 1) for gid, (places, _) in found.days]
    owned = [*owners, *(one.rid for one in lines)]
    alike = len({frozenset(records.columns) for _, records in found.days}) < 2
    if len(lines) > 1 or not (alike and all(is_counted(one.columns, real=real) for _, one in found.days)):
        return None
    if not owned:
        return nothing(query.groupby)
    resources = labels_of(np.concatenate(owned), lambda rid: names.owner(rid).resource_id)
    rank, size = resources.index, sum(map(len, owners))
    pieces = [_of_days(found, rank[:size])] if owners else []
    pieces += [_of_lines(one, rank[size:]) for one in lines]
    hours = [piece for piece in pieces if piece is not None]
    if len(hours) < len(pieces) or any(a.start[-1] >= b.start[0] for a, b in pairwise(hours) if len(a.start)):
        return None
    whole = hours[0] if len(hours) == 1 else _Hours(*map(np.concatenate, zip(*hours, strict=True)))
    if not len(whole.start):
        return nothing(query.groupby)
    if real and not np.abs(whole.total).max() < SMALL:
        return None
    return StatisticsTable(
        unit=Labels((names.meter(found.mid).unit,), np.zeros(len(whole.start), np.int64)),
        groups={"resource_id": Labels(resources.names, whole.rank)},
        count=whole.counts,
        first=whole.first,
        last=whole.last,
        minimum=whole.least,
        maximum=whole.most,
        total=whole.total,
        quotient=cast("Floats", whole.total) / whole.counts if real else None,
        period_start=whole.start,
        period_us=HOUR,
    )


def _of_days(found: Found, rank: Integers) -> _Hours | None:
    """Those of records of these ranks; None where a resource has two of a day."""
    day = np.concatenate([places >> SLOT_BITS for _, (places, _) in found.days])
    order, is_single = sorting((day - day.min()) * (int(rank.max()) + 1) + rank)
    if not is_single:
        return None
    day, rank = day[order], rank[order]
    borders = [0, *(np.flatnonzero(day[1:] != day[:-1]) + 1).tolist(), len(day)]
    columns = _columns([records for _, records in found.days])
    if (order[1:] < order[:-1]).any():
        columns = {number: column.take(order, axis=1) for number, column in columns.items()}
    hours = {number: _day_by_day(column, borders) for number, column in columns.items()}
    ranks = _day_by_day(np.broadcast_to(rank, (rolls.HOURS, len(rank))), borders)
    start = _day_by_day(day * DAY + _HOURS[:, None] * HOUR, borders)
    if hours[rolls.COUNT].min() <= 0 or start[0] < found.start or start[-1] >= found.end:
        chosen = (hours[rolls.COUNT] > 0) & (start >= found.start) & (start < found.end)
        ranks, start = ranks[chosen], start[chosen]
        hours = {number: column[chosen] for number, column in hours.items()}
    return _of_figures(counted(0, found.mid, ranks, start, hours))


def _day_by_day(column: Numbers, borders: Sequence[int]) -> Any:  # Any: as the column, which mypy forgets
    """A row for each hour, with the records of all days side by side, as one day after the other, hour by hour."""
    sizes = np.diff(borders)
    if (sizes == sizes[0]).all():
        return column.reshape(rolls.HOURS, len(sizes), -1).transpose(1, 0, 2).ravel()
    return np.concatenate([column[:, begin:end].ravel() for begin, end in pairwise(borders)])


def _columns(records: Sequence[Records]) -> dict[int, Volumes]:
    """The columns of the records of all groups side by side, a row for each hour."""
    found: dict[int, Volumes] = {}
    for number in records[0].columns:
        rows = [one.columns[number].reshape(rolls.HOURS, -1) for one in records]
        found[number] = rows[0] if len(rows) == 1 else cast("Volumes", np.concatenate(rows, axis=1))
    return found


def _of_figures(one: Figures) -> _Hours:
    high = one.high
    if is_real(high):  # a zero has no sign
        total: Numbers = high + 0.0
        return _Hours(one.rid, one.start, one.count, one.first, one.last, one.least + 0, one.most + 0, total)
    total = joined(cast("Integers", high), one.low)
    return _Hours(one.rid, one.start, one.count, one.first, one.last, one.least, one.most, total)


def _of_lines(lines: Lines, rank: Integers) -> _Hours | None:
    """Those of readings put together; None where those of a resource and hour were not side by side."""
    order, is_single = sorting((lines.period - lines.period.min()) * (int(rank.max()) + 1) + rank)
    if not is_single:
        return None
    if lines.real:
        total: Numbers = nearest([cast("Floats", lines.high), *lines.more]) + 0.0
        least, most = lines.least + 0, lines.most + 0
    else:
        total = joined(cast("Integers", lines.high), lines.low)
        least, most = lines.least, lines.most
    return _Hours(
        rank.take(order),
        lines.period.take(order) * HOUR,
        lines.count.take(order),
        lines.first.take(order),
        lines.last.take(order),
        least.take(order),
        most.take(order),
        total.take(order),
    )
