"""Ceilometer's transformers written down as plainly as can be, for one run over a whole history.

Independent of the program: dictionaries, no state but variables, expressions are Python functions.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from storage.sample import Sample

Key = tuple[str | None, ...]


class Transformer(Protocol):
    def handle(self, sample: Sample) -> Sample | None: ...

    def flush(self, end: datetime) -> list[Sample]: ...


class Convert:
    def __init__(self, changes: Callable[[Sample], dict[str, Any]]) -> None:
        self.changes = changes

    def handle(self, sample: Sample) -> Sample | None:
        return replace(sample, **self.changes(sample))

    def flush(self, end: datetime) -> list[Sample]:
        return []


class Rate:
    def __init__(self, name: str, unit: str, scale: Callable[[Sample], float], most: float) -> None:
        self.name, self.unit, self.scale, self.most = name, unit, scale, most
        self.last: dict[Key, Sample] = {}

    def handle(self, sample: Sample) -> Sample | None:
        key = (sample.meter, sample.project_id, sample.resource_id)
        last = self.last.get(key)
        self.last[key] = sample
        if last is None:
            return None
        seconds = (sample.timestamp - last.timestamp).total_seconds()
        went_down = sample.volume < last.volume and sample.type == "cumulative"
        change = sample.volume if went_down else sample.volume - last.volume
        volume = self.scale(sample) * (change / seconds if seconds else 0.0)
        return replace(
            sample,
            meter=self.name,
            unit=self.unit,
            type="gauge",
            volume=min(volume, self.most),
            generation=None,
        )

    def flush(self, end: datetime) -> list[Sample]:
        return []


class Growth:
    def __init__(self, name: str, *, growth_only: bool) -> None:
        self.name, self.growth_only = name, growth_only
        self.last: dict[Key, int | float] = {}

    def handle(self, sample: Sample) -> Sample | None:
        key = (sample.meter, sample.project_id, sample.resource_id)
        last = self.last.get(key)
        self.last[key] = sample.volume
        if last is None or (self.growth_only and sample.volume < last):
            return None
        return replace(sample, meter=self.name, type="delta", volume=sample.volume - last, generation=None)

    def flush(self, end: datetime) -> list[Sample]:
        return []


class Aggregate:
    """Aggregates by meter, resource, user and project; metadata of the last."""

    def __init__(self, rename: Callable[[str], str], size: int | None, retention: timedelta | None) -> None:
        self.rename, self.size, self.retention = rename, size, retention
        self.groups: dict[Key, list[Sample]] = {}
        self.begun: datetime | None = None

    def handle(self, sample: Sample) -> Sample | None:
        self.begun = self.begun or sample.timestamp
        self.groups.setdefault(
            (sample.meter, sample.resource_id, sample.project_id, sample.user_id), []
        ).append(sample)
        return None

    def flush(self, end: datetime) -> list[Sample]:
        seen = sum(map(len, self.groups.values()))
        expired = self.begun and self.retention and end - self.begun > self.retention
        if not seen or not (expired or (self.size and seen >= self.size)):
            return []
        found = []
        for samples in self.groups.values():
            total: int | float = sum(one.volume for one in samples)
            volume = {"gauge": total / len(samples), "delta": total, "cumulative": samples[-1].volume}
            found.append(
                replace(
                    samples[0],
                    meter=self.rename(samples[0].meter),
                    volume=volume[samples[0].type],
                    metadata=samples[-1].metadata,
                )
            )
        self.groups, self.begun = {}, None
        return found


class Accumulate:
    def __init__(self, size: int) -> None:
        self.size = size
        self.waiting: list[Sample] = []

    def handle(self, sample: Sample) -> Sample | None:
        self.waiting.append(sample)
        return None

    def flush(self, end: datetime) -> list[Sample]:
        if len(self.waiting) < self.size:
            return []
        found, self.waiting = self.waiting, []
        return found


class Combine:
    """`formula` of the operands of a resource whose first is less than a cycle older than the others."""

    def __init__(
        self, name: str, unit: str, operands: list[str], formula: Callable[..., float], cycle: timedelta
    ) -> None:
        self.name, self.unit, self.operands, self.formula, self.cycle = name, unit, operands, formula, cycle
        self.held: dict[Key, tuple[datetime, dict[str, Sample]]] = {}

    def handle(self, sample: Sample) -> Sample | None:
        if sample.meter not in self.operands:
            return None
        key = (sample.project_id or "", sample.resource_id)
        over = None
        if key in self.held and sample.timestamp - self.held[key][0] >= self.cycle:
            over = self.result(self.held.pop(key)[1])
        self.held.setdefault(key, (sample.timestamp, {}))[1][sample.meter] = sample
        return over

    def flush(self, end: datetime) -> list[Sample]:
        over = sorted(key for key, (begun, _) in self.held.items() if end - begun >= self.cycle)
        found = [self.result(self.held.pop(key)[1]) for key in over]
        return [one for one in found if one is not None]

    def result(self, operands: dict[str, Sample]) -> Sample | None:
        if len(operands) < len(self.operands):
            return None
        try:
            volume = self.formula(*(operands[name].volume for name in self.operands))
        except ZeroDivisionError:
            return None
        latest = max(one.timestamp for one in operands.values())
        return replace(
            operands[self.operands[0]], meter=self.name, unit=self.unit, volume=volume, timestamp=latest
        )


def run(
    history: Iterable[Sample],
    sinks: Iterable[tuple[set[str], list[Transformer]]],
    start: datetime,
    cycle: timedelta,
) -> list[Sample]:
    """What all sinks make of a history, cycles counted from `start`, and ten cycles after its end."""
    ordered = sorted(
        history,
        key=lambda one: (one.timestamp, one.meter, one.project_id or "", one.resource_id, one.id or b""),
    )
    out: list[Sample] = []
    for meters, chain in sinks:
        mine = [one for one in ordered if one.meter in meters]
        end = start + cycle
        while ordered and end <= ordered[-1].timestamp + 10 * cycle:
            for sample in mine:
                if end - cycle <= sample.timestamp < end:
                    _send(sample, chain, out)
            for place, transformer in enumerate(chain):
                for sample in transformer.flush(end):
                    _send(sample, chain[place + 1 :], out)
            end += cycle
    return out


def _send(sample: Sample | None, chain: list[Transformer], out: list[Sample]) -> None:
    for transformer in chain:
        if sample is None:
            return
        sample = transformer.handle(sample)
    if sample is not None:
        out.append(sample)
