"""Questions that take the readings themselves: the latest ones, percentiles, and how fast counters rise."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection

from storage.columns import Columns, Wanted
from storage.database import Database
from storage.names import Names
from storage.query import PercentileRow, RateRow, SampleQuery, StatisticsQuery
from storage.reading.latest import Latest
from storage.reading.lines import Grain, gather
from storage.reading.percentiles import percentiles
from storage.reading.polled import only
from storage.reading.rates import rates
from storage.reading.readings import Reader
from storage.reading.stored import FoundSample, as_sample, found_samples, newest_first
from storage.sample import StoredSample, to_microseconds

MICROSECONDS = 1_000_000


class Series:
    """Answers questions about readings in the order of time or size."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names()

    def latest(self, query: SampleQuery, limit: int) -> list[StoredSample]:
        """The newest sample that matches, of each resource and meter name; at most `limit`.

        Newest first, equal times by resource, project, meter and id: the order of `Samples.find`, which also decides
        between samples of one resource, meter and time.
        """
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            candidates = [_newest(one) for one in Latest(names).find(connection, query)]
        times = _times(candidates, names)
        winners: dict[tuple[int, str], FoundSample] = {}
        for one in candidates:
            name = names.meter(one.mid).name
            chosen = np.array([times[rid, name] for rid in one.rid.tolist()]) == one.ts
            last = only(one, chosen)
            for rid, found in zip(last.rid.tolist(), found_samples(names, last), strict=True):
                best = winners.setdefault((rid, name), found)
                winners[rid, name] = min(best, found, key=newest_first)
        return [as_sample(found) for found in sorted(winners.values(), key=newest_first)[:limit]]

    def percentile(self, query: StatisticsQuery, percent: float) -> list[PercentileRow]:
        """One row per period, group and unit that holds a sample, in this order; `percent` from 0 to 100.

        Between two readings the value is interpolated, as numpy does unless told otherwise ("linear"): the place
        among n readings is (n - 1) * percent / 100, with `percent` as the decimal number it is written as. Integers
        that share a row with floats are taken as floats. `cardinality` and `stddev` do not matter.

        Raises ValueError for a percentage below 0 or above 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError("a percentage lies between 0 and 100")
        by_version = not {*query.groupby} <= {"resource_id", "project_id"}
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            found = _columns(Reader(names), connection, query.samples, versions=by_version)
        grain = _grain(query, found, by_version=by_version)
        return list(percentiles(query, gather(found, grain), grain, names, percent))

    def rate(self, query: StatisticsQuery) -> list[RateRow]:
        """How fast cumulative meters rose: a row per period, resource and unit with two readings, in this order.

        A step leads from one reading that matches to the next of the same resource, meter and unit, and belongs to the
        period its later reading lies in: so increases of periods add up to the increase of all of them, and what
        happened before the first reading is in none. Its increase is

        - the difference of the two readings, if that is not negative and both have one generation, or one of them none;
        - the later reading, if both have a generation and it is not the same: the counter began at zero in between;
        - unknown otherwise: the counter went back and nobody said why. So is what involves a float beyond 2**900.

        Unknown steps count neither in `increase` nor in `seconds`. `groupby`, `cardinality` and `stddev` do not matter.
        """
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            found = _columns(Reader(names), connection, query.samples, versions=True)
        return rates(found, _grain(query, found, by_version=True), names)


def _columns(reader: Reader, connection: Connection, query: SampleQuery, *, versions: bool) -> list[Columns]:
    return list(reader.columns(connection, query, versions=versions or query.looks_around))


def _grain(query: StatisticsQuery, found: Sequence[Columns], *, by_version: bool) -> Grain:
    """Every reading on its own, and where periods begin."""
    start = query.samples.start
    first = min((int(one.ts.min()) for one in found if len(one.ts)), default=0)
    return Grain(
        Wanted(
            width_us=None if query.period_s is None else query.period_s * MICROSECONDS,
            origin_us=first if start is None else to_microseconds(start),
            by_resource=True,
            spread=True,
        ),
        by_version,
    )


def _newest(found: Columns) -> Columns:
    """Those readings of a block that no other of the same resource is newer than."""
    rids, inverse = np.unique(found.rid, return_inverse=True)
    last = np.full(len(rids), -(2**63), dtype=np.int64)
    np.maximum.at(last, inverse, found.ts)
    return only(found, found.ts == last[inverse])


def _times(blocks: Sequence[Columns], names: Names) -> Mapping[tuple[int, str], int]:
    """When each resource and meter name was read last."""
    times: dict[tuple[int, str], int] = {}
    for one in blocks:
        name = names.meter(one.mid).name
        for rid, ts in zip(one.rid.tolist(), one.ts.tolist(), strict=True):
            times[rid, name] = max(ts, times.get((rid, name), ts))
    return times
