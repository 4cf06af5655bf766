"""How fast counters rise: the steps between readings of cumulative meters, added up by resource and period."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.columns import Columns, Integers, Objects, Volumes
from storage.names import Names
from storage.query import RateRow
from storage.reading.lines import Grain
from storage.reading.sums import LOW, SMALL, WORD, joined, nearest, real_sums, word_sums
from storage.sample import from_microseconds

SECOND = 1_000_000  # microseconds

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Readings:
    """Readings of one counter of every resource, by resource and time; generation 0 is unknown."""

    rid: Integers
    ts: Integers
    generation: Integers
    volume: Volumes


def rates(blocks: Iterable[Columns], grain: Grain, names: Names) -> list[RateRow]:
    """The rows of `storage.series.Series.rate`."""
    counters: dict[tuple[str, str, str], list[Columns]] = {}
    for block in blocks:
        kind = names.meter(block.mid).kind
        if kind[1] == "cumulative" and len(block.ts):
            counters.setdefault(kind, []).append(block)
    rows = [
        row
        for (_, _, unit), some in counters.items()
        for row in _of_counter(unit, _sorted(some, names), grain, names)
    ]
    return sorted(
        rows,
        key=lambda row: (
            row.period_start.timestamp() if row.period_start else 0.0,
            row.resource_id,
            row.project_id or "",
            row.unit,
        ),
    )


def _sorted(blocks: Sequence[Columns], names: Names) -> _Readings:
    rid, ts = np.concatenate([one.rid for one in blocks]), np.concatenate([one.ts for one in blocks])
    volume = np.concatenate([one.volume for one in blocks])
    versions, inverse = np.unique(np.concatenate([one.ver for one in blocks]), return_inverse=True)
    texts = [names.version(ver).generation for ver in versions.tolist()]
    codes = {text: code for code, text in enumerate(sorted({text for text in texts if text is not None}), 1)}
    generation = np.array([codes.get(text, 0) if text is not None else 0 for text in texts])[inverse]
    order = np.lexsort((ts, rid))
    return _Readings(rid[order], ts[order], generation[order], volume[order])


def _of_counter(unit: str, found: _Readings, grain: Grain, names: Names) -> Iterator[RateRow]:
    step = np.flatnonzero(found.rid[1:] == found.rid[:-1])  # from this reading to the next
    if not len(step):
        return
    known, restarted = _judged(found, step)
    period = grain.period_of(found.ts[step + 1])
    order = np.lexsort((found.rid[step], period))
    step, known, restarted, period = step[order], known[order], restarted[order], period[order]
    rid = found.rid[step]
    border = (rid[1:] != rid[:-1]) | (period[1:] != period[:-1])
    starts = np.flatnonzero(np.append(True, border))
    increases = _increases(found.volume, step, known, restarted, starts)
    spans = np.add.reduceat(np.where(known, found.ts[step + 1] - found.ts[step], 0), starts)
    unknown = np.add.reduceat((~known).astype(np.int64), starts)
    for n, start in enumerate(starts.tolist()):
        yield _row(
            (unit, int(rid[start]), int(period[start])),
            increases[n] if spans[n] else None,
            int(spans[n]),
            int(unknown[n]),
            grain=grain,
            names=names,
        )


def _judged(found: _Readings, step: Integers) -> tuple[Booleans, Booleans]:
    """Of each step: whether its increase is known, and whether the counter began anew in it."""
    earlier, later = found.volume[step], found.volume[step + 1]
    before, after = found.generation[step], found.generation[step + 1]
    restarted = (before != after) & (before != 0) & (after != 0)
    known = np.where(restarted, later >= 0, later >= earlier)
    if found.volume.dtype == np.float64:
        known &= (np.abs(earlier) < SMALL) & (np.abs(later) < SMALL)
    return known, restarted


def _increases(
    volume: Volumes, step: Integers, known: Booleans, restarted: Booleans, starts: Integers
) -> list[int] | list[float]:
    """The sum of the known steps of each pile: exact, or rounded once."""
    later = np.where(known, volume[step + 1], 0)
    earlier = np.where(known & ~restarted, volume[step], 0)
    if volume.dtype == np.float64:
        addends = real_sums(later.astype(np.float64), starts) + real_sums(-earlier.astype(np.float64), starts)
        floats: list[float] = nearest(addends).tolist()
        return floats
    # No step is negative, so it fits 64 bits without a sign.
    steps = later.astype(np.int64).view(np.uint64) - earlier.astype(np.int64).view(np.uint64)
    high = (steps >> np.uint64(WORD)).astype(np.int64)
    low = (steps & np.uint64(LOW)).astype(np.int64)
    sums: Integers | Objects = joined(*word_sums(high, low, starts))
    integers: list[int] = sums.tolist()
    return integers


def _row(
    place: tuple[str, int, int],
    increase: int | float | None,
    span: int,
    unknown: int,
    *,
    grain: Grain,
    names: Names,
) -> RateRow:
    unit, rid, period = place
    owner, width = names.owner(rid), grain.wanted.width_us
    begin = None if width is None else grain.wanted.origin_us + period * width
    return RateRow(
        unit=unit,
        resource_id=owner.resource_id,
        project_id=owner.project_id,
        increase=increase,
        seconds=span / SECOND,
        rate=None if increase is None else increase * SECOND / span,
        unknown=unknown,
        period_start=None if begin is None else from_microseconds(begin),
        period_end=None if begin is None or width is None else from_microseconds(begin + width),
    )
