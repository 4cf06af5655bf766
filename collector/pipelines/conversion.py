"""What a transformer makes of a sample's name, unit, type and volume: the `source` and `target` of its parameters."""

import re
from dataclasses import dataclass
from functools import lru_cache

from collector.pipelines.calculation import Calculation
from storage.sample import Sample, SampleType

Mapping_ = tuple[str, str]  # a pattern and what to put in its place


@dataclass(frozen=True, slots=True)
class Conversion:
    """What changes; None and empty: nothing does.

    `name_map` and `unit_map` replace what their pattern finds; they win over `name` and `unit`. Only samples of
    `only_unit` are converted. `scale` is a factor or reckoned from the sample; `limit` is the most a volume becomes.
    """

    name: str | None = None
    unit: str | None = None
    type: SampleType | None = None
    scale: int | float | Calculation | None = None
    limit: int | float | None = None
    name_map: Mapping_ | None = None
    unit_map: Mapping_ | None = None
    only_unit: str | None = None

    def name_of(self, name: str) -> str:
        """What a meter is called afterwards."""
        return (_replaced(self.name_map, name) if self.name_map else "") or self.name or name

    def unit_of(self, unit: str) -> str:
        """What a unit becomes."""
        mapped = _replaced(self.unit_map, unit) if self.unit_map else ""
        return mapped or (unit if self.unit is None else self.unit)

    def limited(self, volume: int | float) -> int | float:
        """The volume, or the most it may be."""
        return min(volume, self.limit) if self.limit else volume

    def scaled(self, sample: Sample) -> int | float:
        """The volume in the new unit, without the limit; raises ValueError when it cannot be reckoned."""
        if isinstance(self.scale, Calculation):
            return self.scale.result(fields(sample))
        return sample.volume * self.scale if self.scale else sample.volume

    def factor(self, sample: Sample) -> int | float:
        """What to multiply a rate with; raises ValueError when it cannot be reckoned."""
        if isinstance(self.scale, Calculation):
            return self.scale.result(fields(sample))
        return self.scale or 1

    def is_of(self, sample: Sample) -> bool:
        """Whether this sample is converted at all."""
        return self.only_unit is None or sample.unit == self.only_unit


def fields(sample: Sample) -> dict[str, object]:
    """What expressions call the parts of a sample."""
    return {
        "name": sample.meter,
        "type": sample.type,
        "unit": sample.unit,
        "volume": sample.volume,
        "resource_id": sample.resource_id,
        "project_id": sample.project_id,
        "user_id": sample.user_id,
        "source": sample.source,
        "resource_metadata": sample.metadata,
    }


@lru_cache(maxsize=8192)
def _replaced(mapping: Mapping_, text: str) -> str:
    pattern, replacement = mapping
    return re.sub(pattern, replacement, text)
