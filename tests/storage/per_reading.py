"""Statistics one reading at a time, with Python's own numbers: what the arrays are held to."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from storage.columns import Columns, Figures, Volumes
from storage.names import Meter, Names, Owner, Version
from storage.query import StatisticsQuery, StatisticsRow
from storage.sample import flatten, from_microseconds, to_microseconds

MICROSECONDS = 1_000_000
SPAN = 60 * MICROSECONDS  # what a figure of these tests counts

Groups = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    gid: int
    rid: int
    mid: int
    ver: int
    ts: int
    volume: int | float


class Known(Names):
    """Meters 1 to 4 (even ones real; 3 and 4 of another unit), groups of two resources, four versions.

    Resources 1 and 5 have one name, groups 1 and 3 one project; group 2 belongs to nobody.
    """

    def meter(self, mid: int) -> Meter:
        return Meter("m", "cumulative" if mid == 1 else "gauge", "B" if mid <= 2 else "A", mid % 2 == 0)

    def owner(self, rid: int) -> Owner:
        return Owner(f"r{rid % 4}", self.project_of(group_of(rid)))

    def project_of(self, gid: int) -> str | None:
        return None if gid == 2 else f"p{gid % 2}"

    def version(self, ver: int) -> Version:
        metadata = {"instance_type": f"f{ver}"} if ver else {}
        return Version(f"u{ver % 2}" if ver else None, f"s{ver // 2}", f"g{ver}", metadata)


def group_of(rid: int) -> int:
    return (rid + 1) // 2


@dataclass(slots=True)
class _Pile:
    volumes: list[int | float] = field(default_factory=list)
    first: int = 2**63
    last: int = -1
    distinct: tuple[set[str | None], ...] = ()


def rows_of(query: StatisticsQuery, readings: Iterable[Reading], names: Names) -> list[StatisticsRow]:
    kept = list(readings)
    start = query.samples.start
    origin = to_microseconds(start) if start else min((one.ts for one in kept), default=0)
    width = query.period_s * MICROSECONDS if query.period_s else None
    piles: dict[tuple[int, Groups, str], _Pile] = {}
    for one in kept:
        period = (one.ts - origin) // width if width else 0
        groups = tuple(_name(key, names)(one) for key in query.groupby)
        pile = piles.setdefault((period, groups, names.meter(one.mid).unit), _Pile())
        pile.distinct = pile.distinct or tuple(set() for _ in query.cardinality)
        pile.volumes.append(one.volume)
        pile.first, pile.last = min(pile.first, one.ts), max(pile.last, one.ts)
        for values, key in zip(pile.distinct, query.cardinality, strict=True):
            values.add(_name(key, names)(one))
    return [
        _row(query, unit, groups, pile, origin + period * width if width else None)
        for (period, groups, unit), pile in sorted(piles.items(), key=_order)
    ]


def _name(key: str, names: Names) -> Callable[[Reading], str | None]:
    namings: dict[str, Callable[[Reading], str | None]] = {
        "resource_id": lambda one: names.owner(one.rid).resource_id,
        "project_id": lambda one: names.owner(one.rid).project_id,
        "user_id": lambda one: names.version(one.ver).user_id,
        "source": lambda one: names.version(one.ver).source,
        "resource_metadata.instance_type": lambda one: flatten(names.version(one.ver).metadata).get(
            "instance_type"
        ),
    }
    return namings[key]


def _row(query: StatisticsQuery, unit: str, groups: Groups, pile: _Pile, start: int | None) -> StatisticsRow:
    total = _total(pile.volumes)
    mean = _mean(pile.volumes, total)
    end = None if start is None else start + (query.period_s or 0) * MICROSECONDS
    return StatisticsRow(
        unit=unit,
        count=len(pile.volumes),
        minimum=min(pile.volumes),
        maximum=max(pile.volumes),
        total=total,
        mean=mean,
        stddev=_stddev(pile.volumes, mean) if query.stddev else None,
        first=from_microseconds(pile.first),
        last=from_microseconds(pile.last),
        period_start=None if start is None else from_microseconds(start),
        period_end=None if end is None else from_microseconds(end),
        groups=dict(zip(query.groupby, groups, strict=True)),
        cardinality={key: len(values) for key, values in zip(query.cardinality, pile.distinct, strict=True)},
    )


def _total(volumes: list[int | float]) -> int | float:
    if all(isinstance(volume, int) for volume in volumes):
        return sum(volumes)
    exact = _exact(volumes)
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _mean(volumes: list[int | float], total: int | float) -> float:
    exact = Fraction(total) if math.isfinite(total) else _exact(volumes)
    return float(exact / len(volumes))


def _exact(volumes: list[int | float]) -> Fraction:
    return sum((Fraction(volume) for volume in volumes), Fraction())


def _stddev(volumes: list[int | float], mean: float) -> float:
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


def blocks_of(readings: Sequence[Reading], *, by_group: bool = True) -> Iterator[Columns]:
    """A block for each meter (and group), in the order of their first reading; the order of readings is kept."""
    places: dict[tuple[int, int], list[Reading]] = {}
    for one in readings:
        places.setdefault((one.gid if by_group else 0, one.mid), []).append(one)
    for (gid, mid), found in places.items():
        yield Columns(
            gid,
            mid,
            np.array([one.rid for one in found]),
            np.array([one.ts for one in found]),
            np.array([one.ver for one in found]),
            _array(mid, [one.volume for one in found]),
        )


def figures_of(readings: Sequence[Reading], *, by_resource: bool) -> Iterator[Figures]:
    """The same readings counted by minute, an entry for each resource (or for all of a group) and minute."""
    spans: dict[tuple[int, int], dict[tuple[int, int], list[Reading]]] = {}
    for one in readings:
        spans.setdefault((one.gid, one.mid), {}).setdefault(
            (one.rid if by_resource else 0, one.ts // SPAN * SPAN), []
        ).append(one)
    for (gid, mid), entries in spans.items():
        volumes = [[one.volume for one in entry] for entry in entries.values()]
        times = [[one.ts for one in entry] for entry in entries.values()]
        sums = [_total(found) for found in volumes]
        yield Figures(
            gid,
            mid,
            rid=np.array([rid for rid, _ in entries]),
            start=np.array([start for _, start in entries]),
            count=np.array([len(found) for found in volumes]),
            first=np.array([min(found) for found in times]),
            last=np.array([max(found) for found in times]),
            least=_array(mid, [min(found) for found in volumes]),
            most=_array(mid, [max(found) for found in volumes]),
            high=_array(mid, [total if isinstance(total, float) else total >> 32 for total in sums]),
            low=np.array([0 if isinstance(total, float) else total & 0xFFFFFFFF for total in sums]),
            spread=np.array([_spread(found) for found in volumes]),
        )


def _array(mid: int, volumes: list[int | float]) -> Volumes:
    return np.array(volumes, dtype=np.float64) if mid % 2 == 0 else np.array(volumes, dtype=np.int64)


def _spread(volumes: list[int | float]) -> float:
    mean = _exact(volumes) / len(volumes)
    return float(sum(((Fraction(volume) - mean) ** 2 for volume in volumes), Fraction()))
