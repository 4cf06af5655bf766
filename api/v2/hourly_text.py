"""A few hours of one resource and meter as JSON text: the five standard statistics, in one pass over the hours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from operator import truediv
from typing import Final

import msgspec

from api.v2.statistics_rows import EXACT, LEAST_ALIKE, MOST_ALIKE, Bounds
from api.v2.time_columns import SECOND
from api.v2.times import SECONDS, hour_text
from storage.query import GroupKey
from storage.reading.hours import FEW, Hour, Hours
from storage.sample import to_microseconds
from storage.watermarks import HOUR

_PERIOD: Final = HOUR // SECOND


def hourly(hours: Hours, bounds: Bounds) -> bytes | None:
    """What `statistics_text.statistics` says it is, of these hours; None where that has to be asked."""
    rows = hours.rows
    if not 0 < len(rows) <= FEW or not _are_within(rows, bounds):
        return None
    _, counts, firsts, lasts, least, most, totals = zip(*rows, strict=True)
    dot = ""  # what makes floats of integers
    if isinstance(totals[0], int):
        if min(*least, *totals) <= -EXACT or max(*most, *totals) >= EXACT:
            return None
        dot = ".0"
    unit, means = encode_basestring_ascii(hours.unit or ""), map(truediv, totals, counts)
    head = f'{{"groupby": {_groups(hours.groups)}, "unit": {unit}, "min": '
    numbers = _numbers(
        [*means, *[(last - first) / SECOND for first, last in zip(firsts, lasts, strict=True)]]
    )
    texts = []
    for row, mean, lasted in zip(rows, numbers, numbers[len(rows) :], strict=False):
        start, count, first, last, low, high, total = row
        begin, period = _hour(start // HOUR)
        (since, parts), (until, others) = divmod(first - start, SECOND), divmod(last - start, SECOND)
        begun = f"{SECONDS[since]}.{parts:06}" if parts else SECONDS[since]
        ended = f"{SECONDS[until]}.{others:06}" if others else SECONDS[until]
        texts.append(
            f'{head}{low}{dot}, "max": {high}{dot}, "avg": {mean}, "sum": {total}{dot}, "count": {count},'
            f' "duration": {lasted}, "duration_start": "{begin}{begun}", "duration_end": "{begin}{ended}{period}'
        )
    return f"[{', '.join(texts)}]".encode()


@lru_cache(1000)
def _hour(hour: int) -> tuple[str, str]:
    """Of an hour since 1970 the beginning of its moments, and what stands behind the last one of a row."""
    begin, end = hour_text(hour), hour_text(hour + 1)
    return begin, f'", "period": {_PERIOD}, "period_start": "{begin}:00:00", "period_end": "{end}:00:00"}}'


def _numbers(floats: list[float]) -> list[str]:
    """As Python writes them."""
    if min(floats) >= LEAST_ALIKE and max(floats) < MOST_ALIKE:
        return msgspec.json.encode(floats).decode()[1:-1].split(",")
    return list(map(repr, floats))


def _are_within(rows: Sequence[Hour], bounds: Bounds) -> bool:
    """Whether all readings are within the bounds, so that no duration has to be cut."""
    start, end = bounds
    is_begun = start is None or to_microseconds(start) <= rows[0][2]
    return is_begun and (end is None or rows[-1][3] <= to_microseconds(end))


def _groups(groups: Mapping[GroupKey, str | None]) -> str:
    if not groups:
        return "null"
    texts = [
        f'"{key}": {"null" if name is None else encode_basestring_ascii(name)}'
        for key, name in groups.items()
    ]
    return f"{{{', '.join(texts)}}}"
