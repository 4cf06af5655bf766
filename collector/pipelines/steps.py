"""The transformers of Ceilometer (until Rocky): what each makes of samples that come in order of time.

Those that gather many samples are in `piling`. Where these differ from Ceilometer's and why stands in
docs/reference/pipelines.md. A sample carries in `id` what it was made of, so that what is derived of the same samples
has the same identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from collector.pipelines.calculation import Calculation
from collector.pipelines.conversion import Conversion, fields
from collector.pipelines.memory import Cycle, Kept, Memory, Reading, moment, owner_of, storable
from storage.sample import Sample, SampleType, make_id, to_microseconds

SECOND = 1_000_000  # microseconds


class Step(Protocol):
    """One transformer of a sink; `place` tells it from the others of the sink."""

    def name_of(self, name: str) -> str:
        """What samples of this meter are called behind it."""
        ...

    def take(self, sample: Sample, memory: Memory, place: str, /) -> Sample | None:
        """What goes on at once, if anything; raises ValueError when the sample cannot be reckoned with."""
        ...

    def flush(self, memory: Memory, place: str, end: int, /) -> Sequence[Sample | ValueError]:
        """What goes on at the end of a cycle, in order, and what could not be worked out."""
        ...


@dataclass(frozen=True, slots=True)
class UnitConversion:
    """`unit_conversion`: another name, unit, type and scale."""

    conversion: Conversion

    def name_of(self, name: str) -> str:
        """As the conversion says."""
        return self.conversion.name_of(name)

    def take(self, sample: Sample, _memory: Memory, _place: str) -> Sample | None:
        """The sample converted, or as it is where its unit is not the one to convert."""
        conversion = self.conversion
        if not conversion.is_of(sample):
            return sample
        return converted(sample, conversion, conversion.limited(conversion.scaled(sample)))

    def flush(self, _memory: Memory, _place: str, _end: int) -> Sequence[Sample | ValueError]:
        """Nothing waits."""
        return ()


@dataclass(frozen=True, slots=True)
class RateOfChange:
    """`rate_of_change`: the increase per second since the last sample of the meter and resource, scaled."""

    conversion: Conversion

    def name_of(self, name: str) -> str:
        """As the conversion says."""
        return self.conversion.name_of(name)

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """The rate; None of the first sample. A counter that went down began anew: its value is the increase."""
        last = _exchanged(sample, memory, place)
        if last is None:
            return None
        seconds = (to_microseconds(sample.timestamp) - last.at) / SECOND
        increase = sample.volume - last.volume
        if increase < 0 and sample.type == "cumulative":
            increase = sample.volume
        rate = increase / seconds if seconds else 0.0
        conversion = self.conversion
        volume = conversion.limited(conversion.factor(sample) * rate)
        return converted(sample, replace_type(conversion, "gauge"), volume)

    def flush(self, _memory: Memory, _place: str, _end: int) -> Sequence[Sample | ValueError]:
        """Nothing waits."""
        return ()


@dataclass(frozen=True, slots=True)
class Delta:
    """`delta`: the increase since the last sample of the meter and resource."""

    conversion: Conversion
    growth_only: bool = False

    def name_of(self, name: str) -> str:
        """As the conversion says."""
        return self.conversion.name_of(name)

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """The increase; None of the first sample, and of a decrease when only growth is asked for."""
        last = _exchanged(sample, memory, place)
        if last is None:
            return None
        increase = sample.volume - last.volume
        if self.growth_only and increase < 0:
            return None
        return replace(
            sample, meter=self.name_of(sample.meter), type="delta", volume=increase, generation=None
        )

    def flush(self, _memory: Memory, _place: str, _end: int) -> Sequence[Sample | ValueError]:
        """Nothing waits."""
        return ()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`arithmetic`: one volume reckoned from several meters of a resource that were read in one cycle.

    `operands` are the meters and what the expression calls them; the first is the one whose fields the result has.
    A cycle of a resource lasts `cycle_s` from its first operand on.
    """

    calculation: Calculation
    operands: tuple[tuple[str, str], ...]
    cycle_s: float
    name: str | None = None
    unit: str | None = None
    type: SampleType | None = None
    names: dict[str, str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", dict(self.operands))

    def name_of(self, name: str) -> str:
        """What the result is called, if this meter is an operand; others go no further."""
        return (self.name or self.operands[0][0]) if name in self.names else name

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """None, as operands wait for the end of their cycle; the result of the last one, if this begins another."""
        if sample.meter not in self.names:
            return None
        cycles, at = memory.of(owner_of(sample)).cycles, to_microseconds(sample.timestamp)
        over = cycles.get(place)
        if over is None or at - over.begun >= self.cycle_s * SECOND:
            cycles[place] = Cycle(at, {sample.meter: Kept.of(sample)})
            return self._result(over) if over else None
        over.operands[sample.meter] = Kept.of(sample)
        return None

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:
        """The results of the resources of which all operands came, by project and resource."""
        found: list[Sample | ValueError] = []
        for _, cycle in memory.over(place, end - round(self.cycle_s * SECOND) + 1):
            try:
                result = self._result(cycle)
            except ValueError as error:
                found.append(error)
            else:
                found += [result] if result else []
        return found

    def _result(self, cycle: Cycle) -> Sample | None:
        if len(cycle.operands) < len(self.operands):
            return None
        samples = {self.names[meter]: kept.sample() for meter, kept in cycle.operands.items()}
        volume = self.calculation.result({name: fields(one) for name, one in samples.items()})
        first = samples[self.operands[0][1]]
        kind = self.type or first.type
        return replace(
            first,
            meter=self.name or first.meter,
            unit=first.unit if self.unit is None else self.unit,
            type=kind,
            volume=float(volume),
            timestamp=moment(max(kept.at for kept in cycle.operands.values())),
            generation=first.generation if kind == "cumulative" else None,
            id=make_id(*(identity(samples[name]) for _, name in self.operands)),
        )


def replace_type(conversion: Conversion, kind: SampleType) -> Conversion:
    """The conversion, making samples of this type unless it names another."""
    return conversion if conversion.type else replace(conversion, type=kind)


def converted(sample: Sample, conversion: Conversion, volume: int | float) -> Sample:
    """The sample with this volume, called what the conversion says."""
    kind = conversion.type or sample.type
    return replace(
        sample,
        meter=conversion.name_of(sample.meter),
        unit=conversion.unit_of(sample.unit),
        type=kind,
        volume=volume,
        generation=sample.generation if kind == "cumulative" else None,
    )


def _exchanged(sample: Sample, memory: Memory, place: str) -> Reading | None:
    """The reading before this one, which takes its place; None also where this one is older."""
    readings = memory.of(owner_of(sample)).readings
    key = f"{place} {sample.meter}"
    last, at = readings.get(key), to_microseconds(sample.timestamp)
    if last is not None and at < last.at:
        return None
    readings[key] = Reading(storable(sample.volume), at)
    return last


def identity(sample: Sample) -> str:
    """What a sample is known by."""
    return sample.id.hex() if sample.id else ""
