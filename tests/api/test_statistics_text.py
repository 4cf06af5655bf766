"""Statistics are written as Python's own JSON writes them, byte for byte."""

import json
import math
import random

import numpy as np
import pytest

from api.v2 import statistics_text, times
from api.v2.arguments import Aggregate
from storage.columns import Integers
from storage.query import GroupKey
from storage.reading.answers import Numbers, StatisticsTable
from storage.reading.grouping import Labels
from storage.sample import from_microseconds

HOUR, SECOND = 3_600_000_000, 1_000_000
BASE = 1_793_000_000 * SECOND // HOUR * HOUR
FUNCTIONS = ("min", "max", "avg", "sum", "count", "stddev")


@pytest.mark.parametrize("seed", range(200))
def test_rows_are_what_json_makes_of_them(seed: int) -> None:
    chance = random.Random(seed)
    table = _table(chance, chance.choice((1, 2, 12, 64, 65, 100)))
    aggregates = [Aggregate(name, "") for name in chance.sample(FUNCTIONS, chance.choice((0, 0, 1, 4)))]
    start, end = (chance.choice((None, int(moment))) for moment in (table.first[0] + 1, table.last[-1] - 1))

    found = statistics_text.statistics(
        table,
        aggregates,
        (
            None if start is None else from_microseconds(start),
            None if end is None else from_microseconds(end),
        ),
    )

    assert found.decode() == json.dumps(_expected(table, [one.func for one in aggregates], start, end))


def _table(chance: random.Random, size: int) -> StatisticsTable:
    step = chance.choice((SECOND, 37, 300 * SECOND, HOUR))
    first = BASE + step * np.sort(np.array(chance.choices(range(1000), k=size)))
    groups: dict[GroupKey, Labels] = {
        "resource_id": _labels(chance, size, ('"ü%s', "b")),
        "project_id": _labels(chance, size, (None, "p")),
    }
    return StatisticsTable(
        unit=_labels(chance, size, (None, "%", "ns")),
        groups={key: label for key, label in groups.items() if chance.random() < 0.5},
        count=np.array(chance.choices(range(1, 20), k=size)),
        first=first,
        last=first + chance.choice((0, 1, SECOND, 3300 * SECOND)),
        minimum=_numbers(chance, size),
        maximum=_numbers(chance, size),
        total=_numbers(chance, size),
        quotient=_numbers(chance, size).astype(np.float64),
        stddev=chance.choice((None, _numbers(chance, size).astype(np.float64))),
        period_start=first // HOUR * HOUR if chance.random() < 0.7 else None,
        period_us=HOUR,
    )


def _labels(chance: random.Random, size: int, names: tuple[str | None, ...]) -> Labels:
    return Labels(names, np.array(chance.choices(range(chance.choice((1, len(names)))), k=size)))


def _numbers(chance: random.Random, size: int) -> Numbers:
    kind = chance.randrange(7)
    if kind == 0:
        return np.array([chance.randrange(-(2**63), 2**63) for _ in range(size)])
    if kind == 1:
        return np.array([chance.randrange(2**53) for _ in range(size)])
    if kind == 2:
        return np.array([chance.choice((2**70, 5, 0.25)) for _ in range(size)], dtype=object)
    if kind == 3:
        return np.array([chance.choice((math.nan, math.inf, 1.5)) for _ in range(size)])
    exponents = {4: (-3, 15), 5: (14, 300)}.get(kind, (-12, 300))
    return np.array([chance.choice((-1, 0, 1)) * 10 ** chance.uniform(*exponents) for _ in range(size)])


def _expected(
    table: StatisticsTable, functions: list[str], start: int | None, end: int | None
) -> list[dict[str, object]]:
    columns = {
        "min": table.minimum,
        "max": table.maximum,
        "avg": table.mean,
        "sum": table.total,
        "count": table.count,
        "stddev": np.full(len(table), np.nan) if table.stddev is None else table.stddev,
    }
    starts = table.first if table.period_start is None else table.period_start
    ends = table.last if table.period_start is None else starts + table.period_us
    rows: list[dict[str, object]] = []
    for row in range(len(table)):
        first, last = max(int(table.first[row]), start or 0), min(int(table.last[row]), end or 2**62)
        shown = {name: _number(columns[name].tolist()[row]) for name in columns}
        standard = {name: shown[name] for name in FUNCTIONS[:5] if name in functions or not functions}
        rows.append(
            {
                "groupby": {key: label.name(row) for key, label in table.groups.items()} or None,
                "unit": table.unit.name(row) or "",
                **standard,
                **({"count": int(table.count[row])} if "count" in standard else {}),
                **({"aggregate": {name: shown[name] for name in functions}} if functions else {}),
                "duration": (last - first) / SECOND if first <= last else None,
                "duration_start": times.text_of(first) if first <= last else None,
                "duration_end": times.text_of(last) if first <= last else None,
                "period": table.period_us // SECOND,
                "period_start": times.text_of(_integer(starts, row)),
                "period_end": times.text_of(_integer(ends, row)),
            }
        )
    return rows


def _number(number: float) -> float | None:
    return float(number) if math.isfinite(float(number)) else None


def _integer(column: Integers, row: int) -> int:
    return int(column[row])
