"""Statistics as JSON text, byte for byte as Python's own JSON writes the model of `schemas`: column by column."""

import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, repeat
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from api.v2 import times
from api.v2.arguments import Aggregate
from storage.columns import Integers
from storage.query import Cardinality
from storage.reading.answers import StatisticsTable
from storage.sample import to_microseconds

NULL: Final = "null"
SECOND: Final = 1_000_000
EXACT: Final = 2**53
# From here on, and 0, msgspec writes floats as Python does, but for the sign of an exponent: 1e16 is 1e+16.
LEAST_ALIKE: Final = 1e-4
FEW: Final = 32  # so many times are written sooner one by one

Part = str | Sequence[str]  # what stands in every row, or what stands in each of them
Name = TypeVar("Name", bound=Hashable)

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
    names = [name for name in _STANDARD if name in shown and name != "count"]
    standard = zip(names, _floats([_STANDARD[name](table) for name in names]), strict=True)
    fields: dict[str, Sequence[Part]] = {
        "groupby": _groups(table),
        "unit": [_each(list(table.unit.texts()), lambda unit: json.dumps(unit or ""))],
        **{name: [column] for name, column in standard},
        **({"count": [_each(table.count.tolist(), str)]} if "count" in shown else {}),
        "aggregate": _aggregated(table, aggregates),
        **_durations(table, bounds),
        **_periods(table),
    }
    return f"[{_rows(_object(fields), len(table))}]"


def _object(fields: Mapping[str, Sequence[Part]]) -> list[Part]:
    """The parts of an object: its keys, each before what is its value."""
    parts: list[Part] = []
    for key, value in fields.items():
        parts += [f'{", " if parts else "{"}"{key}": ', *value]
    return [*parts, "}"]


def _rows(parts: Sequence[Part], size: int) -> str:
    """So many rows of these parts, put together at once: a part of a row takes 20 ns so."""
    columns: list[Iterable[str]] = []
    alike = ""
    for part in parts:
        if isinstance(part, str):
            alike += part
        else:
            columns += [repeat(alike, size), part]
            alike = ""
    columns.append(repeat(alike + ", ", size))
    return "".join(chain.from_iterable(zip(*columns, strict=True)))[:-2]


def _each(names: Sequence[Name], write: Callable[[Name], str]) -> Part:
    """The text of each, every different one written once."""
    known = {name: write(name) for name in set(names)}
    return next(iter(known.values())) if len(known) == 1 else [known[name] for name in names]


def _groups(table: StatisticsTable) -> list[Part]:
    if not table.groups:
        return [NULL]
    rows = list(zip(*(labels.texts() for labels in table.groups.values()), strict=True))
    return [_each(rows, lambda names: json.dumps(dict(zip(table.groups, names, strict=True))))]


def _floats(columns: Sequence[Any]) -> list[list[str]]:  # Any: as in _STANDARD
    """The numbers of each column as floats."""
    if columns and not any(column.dtype == object for column in columns):
        numbers = np.concatenate(columns, dtype=np.float64)
        sizes = np.abs(numbers)
        if (((sizes >= LEAST_ALIKE) | (sizes == 0)) & (sizes < np.inf)).all():
            texts = msgspec.json.encode(numbers.tolist())[1:-1].decode().replace("e", "e+").split(",")
            size = len(texts) // len(columns)
            return [texts[at : at + size] for at in range(0, len(texts), size)]
    return [
        [repr(number) if math.isfinite(number) else NULL for number in map(float, column.tolist())]
        for column in columns
    ]


def _aggregated(table: StatisticsTable, aggregates: Sequence[Aggregate]) -> list[Part]:
    """The asked-for statistics under `func` or `func/param`, all floats; null when none was asked for."""
    columns: dict[str, Any] = {}  # Any: as in _STANDARD
    for aggregate in aggregates:
        if aggregate.func == "cardinality":
            key: Cardinality = next(key for key in table.cardinality if key == aggregate.param)
            columns[f"cardinality/{key}"] = table.cardinality[key]
        elif aggregate.func == "stddev":
            columns["stddev"] = np.full(len(table), np.nan) if table.stddev is None else table.stddev
        else:
            columns[aggregate.func] = _STANDARD[aggregate.func](table)
    texts = zip(columns, _floats([*columns.values()]), strict=True)
    return _object({name: [column] for name, column in texts}) if columns else [NULL]


def _durations(
    table: StatisticsTable, bounds: tuple[datetime | None, datetime | None]
) -> dict[str, Sequence[Part]]:
    """From the first to the last sample within the bounds; null when nothing lies between."""
    start, end = (None if bound is None else to_microseconds(bound) for bound in bounds)
    first = table.first if start is None else np.maximum(table.first, start)
    last = table.last if end is None else np.minimum(table.last, end)
    spans = last - first
    if spans.min() >= 0 and spans.max() < EXACT:
        lengths, begins, ends = _floats([spans / SECOND])[0], _times(first), _times(last)
        return {
            "duration": [lengths],
            "duration_start": ['"', begins, '"'],
            "duration_end": ['"', ends, '"'],
        }
    known = [span >= 0 for span in spans.tolist()]
    begins, ends = ([f'"{text}"' for text in _times(column)] for column in (first, last))
    columns = ([repr(span / SECOND) for span in spans.tolist()], begins, ends)
    names = ("duration", "duration_start", "duration_end")
    return {name: [_where(known, column)] for name, column in zip(names, columns, strict=True)}


def _where(known: Sequence[bool], texts: Sequence[str]) -> list[str]:
    return [text if is_known else NULL for is_known, text in zip(known, texts, strict=True)]


def _periods(table: StatisticsTable) -> dict[str, Sequence[Part]]:
    width = table.period_us
    starts, ends = table.first, table.last
    if table.period_start is not None:
        starts, ends = table.period_start, table.period_start + width
    return {
        "period": [str(width // SECOND)],
        "period_start": ['"', _times(starts), '"'],
        "period_end": ['"', _times(ends), '"'],
    }


def _times(column: Integers) -> list[str]:
    """Of microseconds since 1970 UTC: many at once, as hardly two rows share the times of their samples."""
    if len(column) <= FEW:
        return [times.text_of(moment) for moment in column.tolist()]
    seconds = column // SECOND
    is_whole = seconds * SECOND == column
    if is_whole.all():
        return _moments(seconds.astype("M8[s]").astype("S19"))
    found = _moments(column.astype("M8[us]").astype("S26"))
    return [text.removesuffix(".000000") for text in found] if is_whole.any() else found


def _moments(column: NDArray[np.bytes_]) -> list[str]:
    text, size = column.tobytes().decode(), column.itemsize
    return [text[at : at + size] for at in range(0, len(text), size)]
