"""The transformers that gather samples, whatever their resource, until they are enough."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from collector.pipelines.conversion import Conversion
from collector.pipelines.memory import Aggregate, Aggregation, Kept, Memory
from collector.pipelines.steps import SECOND, converted, identity
from storage.sample import Sample, make_id, to_microseconds

Policy = Literal["first", "last", "drop"]


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
            first = converted(sample, self.conversion, volume)
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
            id=make_id(identity(held), identity(sample)),
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

    def flush(self, memory: Memory, place: str, _end: int) -> Sequence[Sample | ValueError]:
        """All that wait, when they are enough."""
        if len(memory.pile.waiting.get(place, ())) < max(self.size, 1):
            return ()
        return [kept.sample() for kept in memory.pile.waiting.pop(place)]
