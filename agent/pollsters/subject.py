"""The thing samples of one cycle are about, and how its readings become samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.instance import Instance
from agent.reading import HostReading
from storage.sample import Sample

Reading = tuple[str, str, int | float | None]
"""Meter, unit, and the volume or None where it is unknown."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One resource at one moment. A reading of None gives no sample: a gap is a gap, never a zero."""

    resource_id: str
    timestamp: datetime
    generation: str
    project_id: str | None = None
    user_id: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)

    def gauges(self, *readings: Reading) -> Iterator[Sample]:
        """A gauge sample of each known reading."""
        for meter, unit, volume in readings:
            if volume is not None:
                yield self._sample(meter, "gauge", unit, volume)

    def counters(self, *readings: Reading) -> Iterator[Sample]:
        """A cumulative sample, with its generation, of each known reading."""
        for meter, unit, volume in readings:
            if volume is not None:
                yield self._sample(meter, "cumulative", unit, volume)

    def _sample(self, meter: str, kind: str, unit: str, volume: int | float) -> Sample:
        cumulative = kind == "cumulative"
        return Sample(
            meter=meter,
            type="cumulative" if cumulative else "gauge",
            unit=unit,
            volume=volume,
            resource_id=self.resource_id,
            project_id=self.project_id,
            user_id=self.user_id,
            timestamp=self.timestamp,
            metadata=self.metadata,
            generation=self.generation if cumulative else None,
        )


def node(reading: HostReading, now: datetime) -> Subject:
    """The node itself: its resource id is its name."""
    return Subject(reading.node, now, reading.boot_id, metadata={"host": reading.node})


def node_part(reading: HostReading, name: str, life: str, now: datetime) -> Subject:
    """A disk or interface of the node: `<node>.<name>`, its counters living as long as boot and `life`."""
    return Subject(
        resource_id=f"{reading.node}.{name}",
        timestamp=now,
        generation=f"{reading.boot_id}.{life}" if life else reading.boot_id,
        metadata={"host": reading.node, "name": name},
    )


def guest(instance: Instance, now: datetime) -> Subject:
    """An instance: its resource id is Nova's uuid."""
    return Subject(
        resource_id=instance.id,
        timestamp=now,
        generation=instance.generation,
        project_id=instance.project_id,
        user_id=instance.user_id,
        metadata=instance.metadata,
    )
