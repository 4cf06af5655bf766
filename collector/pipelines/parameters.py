"""The `transformers` of a sink as Ceilometer writes them, read into steps."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec

from collector.pipelines.calculation import Calculation
from collector.pipelines.conversion import Conversion, Mapping_
from collector.pipelines.piling import Accumulator, Aggregator, Policy
from collector.pipelines.steps import Arithmetic, Delta, RateOfChange, Step, UnitConversion
from storage.sample import SampleType

METER = re.compile(r"\$\(([\w.\-]+)\)(?=(\.)?)")

Number = int | float
Whole = int | Annotated[str, msgspec.Meta(pattern=r"^\d+$")]
Given = Mapping[str, object]


class _Renaming(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None
    unit: str | None = None


class _Source(msgspec.Struct, forbid_unknown_fields=True):
    map_from: _Renaming | None = None
    name: str | None = None  # written by some, never looked at by Ceilometer
    unit: str | None = None


class _Target(msgspec.Struct, forbid_unknown_fields=True):
    map_to: _Renaming | None = None
    name: str | None = None
    unit: str | None = None
    type: SampleType | None = None
    scale: Number | str | None = None
    max: Number | None = None
    expr: str = ""


class _Converting(msgspec.Struct, forbid_unknown_fields=True):
    source: _Source | None = None
    target: _Target | None = None


class _Delta(_Converting, forbid_unknown_fields=True):
    growth_only: bool = False


class _Aggregator(_Converting, forbid_unknown_fields=True):
    size: Whole | None = 1
    retention_time: Number | str | None = None
    user_id: Literal["first", "last"] | None = None
    project_id: Literal["first", "last"] | None = None
    resource_metadata: Policy = "last"
    timestamp: Literal["first", "last"] = "first"


class _Accumulator(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


def read_step(name: str, parameters: Given, cycle_s: float) -> Step:
    """The transformer of this name; raises ValueError (or msgspec's, which is one) naming what is wrong."""
    read = _READERS.get(name)
    if read is None:
        raise ValueError(f"there is no transformer {name!r}: there are {', '.join(_READERS)}")
    return read(parameters, cycle_s)


def _unit_conversion(given: Given, _: float) -> Step:
    return UnitConversion(_conversion(msgspec.convert(given, _Converting)))


def _rate_of_change(given: Given, _: float) -> Step:
    return RateOfChange(_conversion(msgspec.convert(given, _Converting)))


def _delta(given: Given, _: float) -> Step:
    written = msgspec.convert(given, _Delta)
    return Delta(_conversion(written), written.growth_only)


def _aggregator(given: Given, _: float) -> Step:
    written = msgspec.convert(given, _Aggregator)
    retention_s = float(written.retention_time) if written.retention_time else None
    size = int(written.size) if written.size else None
    return Aggregator(
        _conversion(written),
        size=size if size or retention_s else 1,
        retention_s=retention_s,
        user=written.user_id,
        project=written.project_id,
        metadata=written.resource_metadata,
        timestamp=written.timestamp,
    )


def _accumulator(given: Given, _: float) -> Step:
    return Accumulator(msgspec.convert(given, _Accumulator).size)


def _arithmetic(given: Given, cycle_s: float) -> Step:
    target = msgspec.convert(given, _Converting).target or _Target()
    meters: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        name = meters.setdefault(match[1], f"meter_{len(meters)}")
        return name if match[2] else f"{name}.volume"

    calculation = Calculation(METER.sub(named, target.expr))
    if not meters:
        raise ValueError("`target.expr` names no meter, as in $(memory.usage)")
    return Arithmetic(calculation, tuple(meters.items()), cycle_s, target.name, target.unit, target.type)


def _conversion(written: _Converting) -> Conversion:
    source, target = written.source or _Source(), written.target or _Target()
    before, after = source.map_from or _Renaming(), target.map_to or _Renaming()
    scale = target.scale
    return Conversion(
        name=target.name,
        unit=target.unit,
        type=target.type,
        scale=Calculation(scale) if isinstance(scale, str) and scale else scale or None,
        limit=target.max,
        name_map=_mapping("name", before.name, after.name),
        unit_map=_mapping("unit", before.unit, after.unit),
        only_unit=source.unit,
    )


def _mapping(what: str, pattern: str | None, replacement: str | None) -> Mapping_ | None:
    if not pattern or not replacement:
        return None
    try:
        re.sub(f"{pattern}|$", replacement, "")  # finds nothing, at the end, whatever the pattern is
    except (re.error, IndexError) as error:
        raise ValueError(f"`{what}` of map_from and map_to: {error}") from error
    return pattern, replacement


_READERS: dict[str, Callable[[Given, float], Step]] = {
    "unit_conversion": _unit_conversion,
    "rate_of_change": _rate_of_change,
    "delta": _delta,
    "aggregator": _aggregator,
    "accumulator": _accumulator,
    "arithmetic": _arithmetic,
}
