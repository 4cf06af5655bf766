"""Statistics as JSON text, byte for byte as Python's own JSON writes the model of `schemas`: column by column."""

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np

from api.v2.arguments import Aggregate
from api.v2.row_text import Part, array, object_of
from api.v2.statistics_rows import EXACT, LEAST_ALIKE, rows
from api.v2.time_columns import SECOND, Texts, texts_of
from storage.columns import Integers, Volumes
from storage.query import Cardinality
from storage.reading.answers import StatisticsTable
from storage.reading.grouping import Labels
from storage.sample import to_microseconds

NULL: Final = b"null"
FEW: Final = 64  # so many rows are written sooner one by one

_STANDARD: Final[dict[str, Callable[[StatisticsTable], Any]]] = {  # Any: arrays of numbers, or of objects
    "min": lambda table: table.minimum,
    "max": lambda table: table.maximum,
    "avg": lambda table: table.mean,
    "sum": lambda table: table.total,
    "count": lambda table: table.count,
}


def statistics(
    table: StatisticsTable,
    aggregates: Sequence[Aggregate],
    bounds: tuple[datetime | None, datetime | None],
) -> bytes:
    """An array of `schemas.Statistics` with these aggregates (none: the five standard ones).

    Durations are clamped to the time bounds that were asked for; what is beyond a float is null.
    """
    if not len(table):  # it lacks the columns that were asked for
        return b"[]"
    shown = {aggregate.func for aggregate in aggregates} or _STANDARD.keys()
    standard = {name: column(table) for name, column in _STANDARD.items() if name in shown}
    aggregated = _aggregated(table, aggregates)
    if len(table) <= FEW:
        return rows(table, standard, aggregated, bounds)
    names = [name for name in standard if name != "count"]
    fields: dict[str, Sequence[Part]] = {
        "groupby": [_groups(table)],
        "unit": [_each(table.unit, lambda unit: json.dumps(unit or ""))],
        **dict(zip(names, _numbers([standard[name] for name in names]), strict=True)),
        **({"count": [_counts(table.count)]} if "count" in standard else {}),
        **({"aggregate": _aggregates(aggregated)} if aggregated else {}),
        **_durations(table, bounds),
        **_periods(table),
    }
    return array(object_of(fields), len(table))


def _each(labels: Labels, write: Callable[[str | None], str]) -> Part:
    """The text of each, every different one written once."""
    texts = [write(name).encode() for name in labels.names]
    return texts[0] if len(texts) == 1 else [texts[number] for number in labels.index.tolist()]


def _groups(table: StatisticsTable) -> Part:
    if not table.groups:
        return NULL
    (key, labels), *others = table.groups.items()
    if not others:
        return _each(labels, lambda name: json.dumps({key: name}))
    named = list(zip(*(labels.texts() for labels in table.groups.values()), strict=True))
    known = {names: json.dumps(dict(zip(table.groups, names, strict=True))).encode() for names in set(named)}
    return known[named[0]] if len(known) == 1 else [known[names] for names in named]


def _counts(column: Integers) -> Part:
    counts = column.tolist()
    known = {count: b"%d" % count for count in set(counts)}
    return known[counts[0]] if len(known) == 1 else [known[count] for count in counts]


def _numbers(columns: Sequence[Any]) -> list[list[Part]]:  # Any: as in _STANDARD
    """The numbers of each column as floats; those of integers are written sooner."""
    whole = [column for column in columns if column.dtype == np.int64]
    if whole:
        numbers = np.concatenate(whole)
        if numbers.min() <= -EXACT or numbers.max() >= EXACT:
            whole = []
    written = iter(_cut(_encoded(numbers), len(whole)) if whole else ())
    others = iter(_floats([column for column in columns if not whole or column.dtype != np.int64]))
    return [
        [next(written), b".0"] if whole and column.dtype == np.int64 else [next(others)] for column in columns
    ]


def _floats(columns: Sequence[Any]) -> list[list[bytes]]:  # Any: as in _STANDARD
    """The numbers of each column as floats."""
    if columns and not any(column.dtype == object for column in columns):
        numbers = np.concatenate(columns, dtype=np.float64)
        sizes = np.abs(numbers)
        if not ((sizes > 0) & (sizes < LEAST_ALIKE)).any():
            # From 1e16 on it writes 1e16, which is 1e+16.
            return _cut(_encoded(numbers).replace(b"e", b"e+"), len(columns))
    return [
        [repr(number).encode() if math.isfinite(number) else NULL for number in map(float, column.tolist())]
        for column in columns
    ]


def _encoded(numbers: Volumes) -> bytes:
    """As msgspec writes them, which takes a sixth of the time Python does."""
    return msgspec.json.encode(numbers.tolist())[1:-1]


def _cut(text: bytes, columns: int) -> list[list[bytes]]:
    """The numbers of columns that follow each other."""
    texts = text.split(b",")
    size = len(texts) // columns
    return [texts[at : at + size] for at in range(0, len(texts), size)]


def _aggregated(table: StatisticsTable, aggregates: Sequence[Aggregate]) -> dict[str, Any]:
    """The asked-for statistics under `func` or `func/param`, arrays as in _STANDARD."""
    columns: dict[str, Any] = {}  # Any: as in _STANDARD
    for aggregate in aggregates:
        if aggregate.func == "cardinality":
            key: Cardinality = next(key for key in table.cardinality if key == aggregate.param)
            columns[f"cardinality/{key}"] = table.cardinality[key]
        elif aggregate.func == "stddev":
            columns["stddev"] = np.full(len(table), np.nan) if table.stddev is None else table.stddev
        else:
            columns[aggregate.func] = _STANDARD[aggregate.func](table)
    return columns


def _aggregates(columns: dict[str, Any]) -> list[Part]:  # Any: as in _STANDARD
    """All of them floats."""
    return object_of(dict(zip(columns, _numbers([*columns.values()]), strict=True)))


def _durations(
    table: StatisticsTable, bounds: tuple[datetime | None, datetime | None]
) -> dict[str, Sequence[Part]]:
    """From the first to the last sample within the bounds; null when nothing lies between."""
    start, end = (None if bound is None else to_microseconds(bound) for bound in bounds)
    first = table.first if start is None else np.maximum(table.first, start)
    last = table.last if end is None else np.minimum(table.last, end)
    spans = last - first
    if spans.min() >= 0 and spans.max() < EXACT:
        (lengths,), (begins, ends) = _floats([spans / SECOND]), _times(first, last)
        return {
            "duration": [lengths],
            "duration_start": [b'"', begins, b'"'],
            "duration_end": [b'"', ends, b'"'],
        }
    known = [span >= 0 for span in spans.tolist()]
    begins, ends = ([b'"%b"' % text for text in column] for column in _times(first, last))
    columns = ([repr(span / SECOND).encode() for span in spans.tolist()], begins, ends)
    names = ("duration", "duration_start", "duration_end")
    return {name: [_where(known, column)] for name, column in zip(names, columns, strict=True)}


def _where(known: Sequence[bool], texts: Sequence[bytes]) -> list[bytes]:
    return [text if is_known else NULL for is_known, text in zip(known, texts, strict=True)]


def _periods(table: StatisticsTable) -> dict[str, Sequence[Part]]:
    width = table.period_us
    starts, ends = table.first, table.last
    if table.period_start is not None:
        starts, ends = table.period_start, table.period_start + width
    begins, finishes = _times(starts, ends)
    return {
        "period": [b"%d" % (width // SECOND)],
        "period_start": [b'"', begins, b'"'],
        "period_end": [b'"', finishes, b'"'],
    }


def _times(*columns: Integers) -> list[list[bytes] | Texts]:
    """Of microseconds since 1970 UTC: many at once, as hardly two rows share the times of their samples."""
    size = len(columns[0])
    found = texts_of(np.concatenate(columns))
    return [found[at : at + size] for at in range(0, len(found), size)]
