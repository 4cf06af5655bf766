"""The six transformers of Ceilometer (until Rocky): what each makes of samples that come in order of time.

Where these differ from Ceilometer's and why: docs/reference/pipelines.md. A sample carries in `id` what it was made of,
so that what is derived of the same samples has the same identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from collector.pipelines.calculation import Calculation
from collector.pipelines.conversion import Conversion, fields
from collector.pipelines.memory import Aggregate, Aggregation, Cycle, Kept, Memory, Reading, moment, owner_of
from storage.sample import Sample, SampleType, make_id, to_microseconds

SECOND = 1_000_000  # microseconds
Policy = Literal["first", "last", "drop"]


class Step(Protocol):
    """One transformer of a sink; `place` tells it from the others of the sink."""

    def name_of(self, name: str) -> str:
        """What samples of this meter are called behind it."""
        ...

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """What goes on at once, if anything; raises ValueError when the sample cannot be reckoned with."""
        ...

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:
        """What goes on at the end of a cycle, in order, and what could not be worked out."""
        ...


@dataclass(frozen=True, slots=True)
class UnitConversion:
    """`unit_conversion`: another name, unit, type and scale."""

    conversion: Conversion

    def name_of(self, name: str) -> str:
        """As the conversion says."""
        return self.conversion.name_of(name)

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:  # noqa: ARG002  the protocol's
        """The sample converted, or as it is where its unit is not the one to convert."""
        conversion = self.conversion
        if not conversion.is_of(sample):
            return sample
        return _converted(sample, conversion, conversion.limited(conversion.scaled(sample)))

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:  # noqa: ARG002  as above
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
        return _converted(sample, replace_type(conversion, "gauge"), volume)

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:  # noqa: ARG002  as above
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

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:  # noqa: ARG002  as above
        """Nothing waits."""
        return ()


@dataclass(frozen=True, slots=True)
class Aggregator:
    """`aggregator`: one sample of many, when `size` came in all or the first is older than `retention_s`.

    Keyed by meter, resource, user and project, without those that have a policy. Gauges become their average,
    deltas their sum, counters their newest.
    """

    conversion: Conversion
    size: int | None = 1
    retention_s: float | None = None
    user: Policy | None = None
    project: Policy | None = None
    metadata: Policy = "last"
    timestamp: Policy = "first"

    def name_of(self, name: str) -> str:
        """As the conversion says."""
        return self.conversion.name_of(name)

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """None: everything waits for the end of a cycle."""
        volume = self.conversion.scaled(sample)
        aggregations = memory.pile.aggregations
        if place not in aggregations:
            aggregations[place] = Aggregation(to_microseconds(sample.timestamp), 0, {})
        held = aggregations[place]
        held.seen += 1
        key = self._key(sample)
        if key in held.aggregates:
            one = held.aggregates[key]
            one.sample, one.count = Kept.of(self._joined(one.sample.sample(), sample, volume)), one.count + 1
        else:
            first = _converted(sample, self.conversion, volume)
            held.aggregates[key] = Aggregate(
                Kept.of(replace(first, metadata={}) if self.metadata == "drop" else first), 1
            )
        return None

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:
        """Everything, when there is enough of it or the first of it came too long ago."""
        held = memory.pile.aggregations.get(place)
        if held is None:
            return ()
        full = self.size is not None and held.seen >= self.size
        expired = self.retention_s is not None and end - held.begun > self.retention_s * SECOND
        if not full and not expired:
            return ()
        del memory.pile.aggregations[place]
        return [self._result(one) for one in held.aggregates.values()]

    def _key(self, sample: Sample) -> str:
        user = "" if self.user else sample.user_id or ""
        project = "" if self.project else sample.project_id or ""
        return "\0".join((sample.meter, sample.resource_id, project, user))

    def _joined(self, held: Sample, sample: Sample, volume: int | float) -> Sample:
        last = self.timestamp == "last"
        return replace(
            held,
            volume=volume if sample.type == "cumulative" else held.volume + volume,
            timestamp=sample.timestamp if last else held.timestamp,
            user_id=sample.user_id if self.user == "last" else held.user_id,
            project_id=sample.project_id if self.project == "last" else held.project_id,
            metadata=sample.metadata if self.metadata == "last" else held.metadata,
            generation=sample.generation if held.type == "cumulative" else None,
            id=make_id(_identity(held), _identity(sample)),
        )

    def _result(self, one: Aggregate) -> Sample:
        sample = one.sample.sample()
        volume = sample.volume / one.count if sample.type == "gauge" else sample.volume
        return replace(sample, volume=self.conversion.limited(volume))


@dataclass(frozen=True, slots=True)
class Accumulator:
    """`accumulator`: samples go on together, once there are `size` of them."""

    size: int = 1

    def name_of(self, name: str) -> str:
        """The same."""
        return name

    def take(self, sample: Sample, memory: Memory, place: str) -> Sample | None:
        """None: it waits, unless nothing shall."""
        if self.size < 1:
            return sample
        memory.pile.waiting.setdefault(place, []).append(Kept.of(sample))
        return None

    def flush(self, memory: Memory, place: str, end: int) -> Sequence[Sample | ValueError]:  # noqa: ARG002  as above
        """All that wait, when they are enough."""
        if len(memory.pile.waiting.get(place, ())) < max(self.size, 1):
            return ()
        return [kept.sample() for kept in memory.pile.waiting.pop(place)]


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
            id=make_id(*(_identity(samples[name]) for _, name in self.operands)),
        )


def replace_type(conversion: Conversion, kind: SampleType) -> Conversion:
    """The conversion, making samples of this type unless it names another."""
    return conversion if conversion.type else replace(conversion, type=kind)


def _converted(sample: Sample, conversion: Conversion, volume: int | float) -> Sample:
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
    readings[key] = Reading(sample.volume, at)
    return last


def _identity(sample: Sample) -> str:
    return sample.id.hex() if sample.id else ""
