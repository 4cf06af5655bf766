"""What the bench says: one row for each thing measured."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


class WrongAnswer(Exception):
    """A system answered something else than numpy: its figure means nothing, and somebody must look."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `limit` is what it was measured against in the same run, `ratio` what `target` speaks about.

    `holds` is None where no target is set.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    target: str | None = None
    holds: bool | None = None


def at_least(name: str, value: float, unit: str, limit: float, times: float) -> Row:
    """A rate that has to be so many times the limit's."""
    ratio = value / limit
    return Row(name, value, unit, limit, ratio, f"≥ {times:g} × limit", ratio >= times)


def at_most(name: str, value: float, unit: str, limit: float, times: float) -> Row:
    """A cost or time that may be so many times the limit's."""
    ratio = value / limit
    return Row(name, value, unit, limit, ratio, f"≤ {times:g} × limit", ratio <= times)


def faster(name: str, value_ms: float, limit_ms: float, times: float) -> Row:
    """A time that has to be so many times shorter than the limit's; the ratio says how many times it is."""
    ratio = limit_ms / value_ms
    return Row(name, value_ms, "ms", limit_ms, ratio, f"≥ {times:g} × faster", ratio >= times)


def no_less(name: str, value: float, unit: str, bound: float) -> Row:
    """A figure with a lower bound of its own."""
    return Row(name, value, unit, target=f"≥ {bound:g} {unit}", holds=value >= bound)


def no_more(name: str, value: float, unit: str, bound: float) -> Row:
    """A figure with an upper bound of its own."""
    return Row(name, value, unit, target=f"≤ {bound:g} {unit}", holds=value <= bound)


def write(rows: Sequence[Row], file: Path) -> None:
    """All rows as a JSON list of {name, value, unit, limit, ratio, target, holds}."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")
