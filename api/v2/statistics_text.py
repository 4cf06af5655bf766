"""Statistics as JSON text, byte for byte as Python's own JSON writes the model of `schemas`: column by column."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, Final

import numpy as np

from api.v2 import times
from api.v2.arguments import Aggregate
from storage.answers import StatisticsTable
from storage.query import Cardinality
from storage.sample import to_microseconds

NULL: Final = "null"
SECOND: Final = 1_000_000

_STANDARD: Final[dict[str, Callable[[StatisticsTable], Any]]] = {  # Any: arrays of numbers, or of objects
    "max": lambda table: table.maximum,
    "min": lambda table: table.minimum,
    "sum": lambda table: table.total,
    "avg": lambda table: table.mean,
    "count": lambda table: table.count,
}


def statistics(
    table: StatisticsTable,
    aggregates: Sequence[Aggregate],
    bounds: tuple[datetime | None, datetime | None],
) -> str:
    """An array of `schemas.Statistics` with these aggregates (none: the five standard ones).

    Durations are clamped to the time bounds that were asked for; what is beyond a float is null.
    """
    if not len(table):  # it lacks the columns that were asked for
        return "[]"
    shown = {aggregate.func for aggregate in aggregates} or _STANDARD.keys()
    columns = {
        "groupby": _groups(table),
        "unit": [json.dumps(unit or "") for unit in table.unit.texts()],
        **{name: _standard(table, name) for name in _STANDARD if name in shown},
        "aggregate": _aggregated(table, aggregates),
        **_durations(table, bounds),
        **_periods(table),
    }
    return f"[{', '.join(_objects(columns))}]"


def _objects(columns: dict[str, Iterable[str]]) -> Iterator[str]:
    """The object of each row: its keys with the texts of its columns."""
    keys = ", ".join(json.dumps(key).replace("%", "%%") + ": %s" for key in columns)
    return map(("{" + keys + "}").__mod__, zip(*columns.values(), strict=False))  # some columns never end


def _groups(table: StatisticsTable) -> Iterable[str]:
    if not table.groups:
        return repeat(NULL)
    made: dict[tuple[str | None, ...], str] = {}
    rows = zip(*(labels.texts() for labels in table.groups.values()), strict=True)
    return [
        made.get(names) or made.setdefault(names, json.dumps(dict(zip(table.groups, names, strict=True))))
        for names in rows
    ]


def _standard(table: StatisticsTable, name: str) -> Iterable[str]:
    column = _STANDARD[name](table)
    return map(str, column.tolist()) if name == "count" else _floats(column)


def _floats(column: Any) -> list[str]:  # Any: as in _STANDARD
    return [repr(number) if math.isfinite(number) else NULL for number in map(float, column.tolist())]


def _aggregated(table: StatisticsTable, aggregates: Sequence[Aggregate]) -> Iterable[str]:
    """The asked-for statistics under `func` or `func/param`, all floats; null when none was asked for."""
    columns: dict[str, Iterable[str]] = {}
    for aggregate in aggregates:
        if aggregate.func == "cardinality":
            key: Cardinality = next(key for key in table.cardinality if key == aggregate.param)
            columns[f"cardinality/{key}"] = _floats(table.cardinality[key])
        elif aggregate.func == "stddev":
            unknown = np.full(len(table), np.nan)
            columns["stddev"] = _floats(unknown if table.stddev is None else table.stddev)
        else:
            columns[aggregate.func] = _floats(_STANDARD[aggregate.func](table))
    return _objects(columns) if columns else repeat(NULL)


def _durations(
    table: StatisticsTable, bounds: tuple[datetime | None, datetime | None]
) -> dict[str, Iterable[str]]:
    """From the first to the last sample within the bounds; null when nothing lies between."""
    start, end = (None if bound is None else to_microseconds(bound) for bound in bounds)
    first = table.first if start is None else np.maximum(table.first, start)
    last = table.last if end is None else np.minimum(table.last, end)
    spans = list(zip(first.tolist(), last.tolist(), strict=True))
    return {
        "duration": [repr((end - start) / SECOND) if start <= end else NULL for start, end in spans],
        "duration_start": [_time(start) if start <= end else NULL for start, end in spans],
        "duration_end": [_time(end) if start <= end else NULL for start, end in spans],
    }


def _periods(table: StatisticsTable) -> dict[str, Iterable[str]]:
    width = table.period_us
    starts, ends = table.first, table.last
    if table.period_start is not None:
        starts, ends = table.period_start, table.period_start + width
    return {
        "period": repeat(str(width // SECOND)),
        "period_start": map(_time, starts.tolist()),
        "period_end": map(_time, ends.tolist()),
    }


def _time(microseconds: int) -> str:
    return f'"{times.text_of(microseconds)}"'
