"""Statistics of a meter: exact, and the same whatever order the readings come in."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from storage.database import Database
from storage.query import Cardinality, GroupKey, StatisticsQuery, StatisticsRow
from storage.readings import Reader
from storage.sample import flatten, from_microseconds, to_microseconds
from storage.stored import Reading

MICROSECONDS = 1_000_000

Groups = tuple[str | None, ...]
Naming = Callable[[Reading], str | None]


@dataclass(slots=True)
class _Pile:
    """The readings of one unit, group and period."""

    volumes: list[int | float] = field(default_factory=list)
    first: int = 2**63
    last: int = -1
    distinct: tuple[set[str | None], ...] = ()

    def add(self, reading: Reading) -> None:
        self.volumes.append(reading.volume)
        self.first = min(self.first, reading.ts)
        self.last = max(self.last, reading.ts)


class Statistics:
    """Answers statistics questions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = Reader()

    def compute(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """One row per period, group and unit that holds a sample, in this order."""
        with self._database.read() as connection:
            readings = self._reader.any_order(connection, query.samples)
            if query.period_s is None:
                return self._rows(query, readings, 0)
            if query.samples.start is not None:
                return self._rows(query, readings, to_microseconds(query.samples.start))
            kept = list(readings)
            return self._rows(query, kept, min((reading.ts for reading in kept), default=0))

    def _rows(self, query: StatisticsQuery, readings: Iterable[Reading], origin: int) -> list[StatisticsRow]:
        width = query.period_s * MICROSECONDS if query.period_s is not None else None
        group_names = [self._naming(key) for key in query.groupby]
        counted = [self._naming(key) for key in query.cardinality]
        piles: dict[tuple[int, Groups, str], _Pile] = {}
        for reading in readings:
            period = (reading.ts - origin) // width if width else 0
            groups = tuple(name(reading) for name in group_names)
            key = (period, groups, self._reader.meter(reading.mid).unit)
            pile = piles.get(key)
            if pile is None:
                pile = piles[key] = _Pile(distinct=tuple(set() for _ in counted))
            pile.add(reading)
            for values, name in zip(pile.distinct, counted, strict=True):
                values.add(name(reading))
        rows = []
        for (period, groups, unit), pile in sorted(piles.items(), key=_order):
            start = origin + period * width if width else None
            rows.append(_row(query, unit, groups, pile, start))
        return rows

    def _naming(self, key: GroupKey | Cardinality) -> Naming:
        reader = self._reader
        namings: dict[str, Naming] = {
            "resource_id": lambda reading: reader.owner(reading.rid).resource_id,
            "project_id": lambda reading: reader.owner(reading.rid).project_id,
            "user_id": lambda reading: reader.version(reading.ver).user_id,
            "source": lambda reading: reader.version(reading.ver).source,
            "resource_metadata.instance_type": lambda reading: flatten(
                reader.version(reading.ver).metadata
            ).get("instance_type"),
        }
        return namings[key]


def _row(query: StatisticsQuery, unit: str, groups: Groups, pile: _Pile, start: int | None) -> StatisticsRow:
    count = len(pile.volumes)
    total = _total(pile.volumes)
    mean = _mean(pile.volumes, total)
    width = (query.period_s or 0) * MICROSECONDS
    return StatisticsRow(
        unit=unit,
        count=count,
        minimum=min(pile.volumes),
        maximum=max(pile.volumes),
        total=total,
        mean=mean,
        stddev=_stddev(pile.volumes, mean),
        first=from_microseconds(pile.first),
        last=from_microseconds(pile.last),
        period_start=None if start is None else from_microseconds(start),
        period_end=None if start is None else from_microseconds(start + width),
        groups=dict(zip(query.groupby, groups, strict=True)),
        cardinality={key: len(values) for key, values in zip(query.cardinality, pile.distinct, strict=True)},
    )


def _total(volumes: list[int | float]) -> int | float:
    """The exact sum: an int of ints, else the float nearest to it (infinite beyond the largest float)."""
    if all(isinstance(volume, int) for volume in volumes):
        return sum(volumes)
    try:
        return math.fsum(volumes)
    except OverflowError:
        return _to_float(_exact_total(volumes))


def _mean(volumes: list[int | float], total: int | float) -> float:
    exact = Fraction(total) if math.isfinite(total) else _exact_total(volumes)
    return float(exact / len(volumes))


def _exact_total(volumes: list[int | float]) -> Fraction:
    return sum((Fraction(volume) for volume in volumes), Fraction())


def _to_float(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _stddev(volumes: list[int | float], mean: float) -> float:
    """The population's standard deviation, independent of order; of ints exact until the root is taken."""
    count = len(volumes)
    if all(isinstance(volume, int) for volume in volumes):
        total, squares = sum(volumes), sum(volume * volume for volume in volumes)
        return math.sqrt(Fraction(count * squares - total * total) / (count * count))
    try:
        return math.sqrt(math.fsum((volume - mean) ** 2 for volume in volumes) / count)
    except OverflowError:
        scale = max(abs(volume) for volume in volumes)
        squares_of_scale = math.fsum((volume / scale - mean / scale) ** 2 for volume in volumes)
        return scale * math.sqrt(squares_of_scale / count)


def _order(item: tuple[tuple[int, Groups, str], _Pile]) -> tuple[int, list[tuple[bool, str]], str]:
    (period, groups, unit), _ = item
    return period, [(name is not None, name or "") for name in groups], unit
