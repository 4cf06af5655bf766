"""A few statistics as JSON text, row by row: they take a third of the time so that they take column by column."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from json.encoder import encode_basestring_ascii
from math import isfinite
from typing import Any, Final, NamedTuple

from api.v2 import times
from api.v2.time_columns import SECOND
from storage.reading.answers import StatisticsTable
from storage.reading.grouping import Labels
from storage.sample import to_microseconds

EXACT: Final = 2**53
# From the one to below the other, msgspec writes floats as Python does, in a sixth of the time.
LEAST_ALIKE: Final = 1e-4
MOST_ALIKE: Final = 1e16

Columns = Mapping[str, Any]  # statistics by name: arrays of numbers, or of objects
Bounds = tuple[datetime | None, datetime | None]


class _Value(NamedTuple):
    """How a value is written with `%`, and what for: columns of as many values as there are rows."""

    form: str
    columns: tuple[Sequence[object], ...] = ()


def rows(table: StatisticsTable, standard: Columns, aggregated: Columns, bounds: Bounds) -> bytes:
    """What `statistics_text.statistics` says it is, of a table with rows and with these statistics."""
    row = _object(
        {
            "groupby": _groups(table.groups),
            "unit": _label(table.unit, none='""'),
            **{
                name: _Value("%d", (column.tolist(),)) if name == "count" else _number(column)
                for name, column in standard.items()
            },
            **({"aggregate": _object(_numbers(aggregated))} if aggregated else {}),
            **_durations(table, bounds),
            **_periods(table),
        }
    )
    form = row.form
    return f"[{', '.join([form % values for values in zip(*row.columns, strict=True)])}]".encode()


def _object(values: Mapping[str, _Value]) -> _Value:
    """An object of these; null for none."""
    if not values:
        return _NULL
    form = ", ".join([f'"{key}": {value.form}' for key, value in values.items()])
    return _Value(f"{{{form}}}", tuple(chain.from_iterable([value.columns for value in values.values()])))


def _numbers(columns: Columns) -> dict[str, _Value]:
    return {name: _number(column) for name, column in columns.items()}


def _groups(groups: Mapping[Any, Labels]) -> _Value:
    return _object({key: _label(labels, none="null") for key, labels in groups.items()})


def _label(labels: Labels, *, none: str) -> _Value:
    texts = [none if name is None else encode_basestring_ascii(name) for name in labels.names]
    if len(texts) == 1:
        return _Value(texts[0].replace("%", "%%"))
    return _Value("%s", ([texts[number] for number in labels.index.tolist()],))


def _number(column: Any) -> _Value:  # Any: as in Columns
    """As floats; what is beyond them is null."""
    numbers = column.tolist()
    if column.dtype.kind == "i" and min(numbers) > -EXACT and max(numbers) < EXACT:
        return _Value("%d.0", (numbers,))
    if column.dtype.kind != "f":
        numbers = list(map(float, numbers))
    if all(map(isfinite, numbers)):
        return _Value("%r", (numbers,))
    return _Value("%s", ([repr(number) if isfinite(number) else "null" for number in numbers],))


def _durations(table: StatisticsTable, bounds: Bounds) -> dict[str, _Value]:
    """From the first to the last sample within the bounds; null when nothing lies between."""
    first, last = table.first.tolist(), table.last.tolist()
    start, end = bounds
    if start is not None and (begin := to_microseconds(start)) > min(first):
        first = [max(moment, begin) for moment in first]
    if end is not None and (finish := to_microseconds(end)) < max(last):
        last = [min(moment, finish) for moment in last]
    spans = [(b - a) / SECOND for a, b in zip(first, last, strict=True)]
    if min(spans) >= 0:
        return {
            "duration": _Value("%r", (spans,)),
            "duration_start": _time(first),
            "duration_end": _time(last),
        }
    known = [span >= 0 for span in spans]
    texts = {
        "duration": [repr(span) for span in spans],
        "duration_start": [f'"{times.text_of(moment)}"' for moment in first],
        "duration_end": [f'"{times.text_of(moment)}"' for moment in last],
    }
    return {
        name: _Value(
            "%s", ([text if is_known else "null" for text, is_known in zip(column, known, strict=True)],)
        )
        for name, column in texts.items()
    }


def _periods(table: StatisticsTable) -> dict[str, _Value]:
    starts, ends = table.first.tolist(), table.last.tolist()
    if table.period_start is not None:
        starts = table.period_start.tolist()
        ends = [start + table.period_us for start in starts]
    period = _Value(str(table.period_us // SECOND))
    return {"period": period, "period_start": _time(starts), "period_end": _time(ends)}


def _time(moments: Sequence[int]) -> _Value:
    return _Value('"%s"', ([times.text_of(moment) for moment in moments],))


_NULL: Final = _Value("null")
