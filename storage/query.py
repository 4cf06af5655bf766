"""Questions about samples, and their answers, without a word of SQL.

Every question carries a `Scope`. `api.scope` makes the one of a request and the evaluator the one of an
alarm; the store puts it on every statement, so no other field of a question can widen it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from storage.sample import Refused

GroupKey = Literal["user_id", "resource_id", "project_id", "source", "resource_metadata.instance_type"]
Cardinality = Literal["resource_id", "user_id", "project_id"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question may see: one project, or everything (administrators and unscoped services)."""

    project_id: str = ""
    everything: bool = False

    def __post_init__(self) -> None:
        if self.everything == bool(self.project_id):
            raise ValueError("a scope is either one project or everything")

    def allows(self, project_id: str | None) -> bool:
        """Whether things of this project may be seen (things without a project only with `everything`)."""
        return self.everything or project_id == self.project_id


EVERYTHING = Scope(everything=True)


@dataclass(frozen=True, slots=True)
class MetadataMatch:
    """A metadata key (dotted path below resource metadata) that must hold this value.

    Matches when the stored value equals `value` in value and type, or when its text equals `text`.
    """

    key: str
    value: str | int | float | bool
    text: str


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """Which samples are meant; every condition must hold, None means any.

    `start` and `end` bound the observation time; `start_open` leaves the start itself out,
    `end_closed` takes the end itself in (the default is start <= t < end).
    """

    scope: Scope
    meter: str | None = None
    resource_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    source: str | None = None
    message_id: str | None = None
    metadata: tuple[MetadataMatch, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    start_open: bool = False
    end_closed: bool = False

    @property
    def looks_around(self) -> bool:
        """Whether it matters what samples say beside their number: user, source, metadata."""
        return self.user_id is not None or self.source is not None or bool(self.metadata)


@dataclass(frozen=True, slots=True)
class StatisticsQuery:
    """Statistics of one meter (`samples.meter` is set), one row per unit, group and period.

    Periods of `period_s` seconds begin at `samples.start`, or at the first sample; None gives one row.
    `cardinality` lists whose distinct values are counted. `stddev`: the standard deviation is asked for, which
    takes every reading where there is one.
    """

    samples: SampleQuery
    period_s: int | None = None
    groupby: tuple[GroupKey, ...] = ()
    cardinality: tuple[Cardinality, ...] = ()
    stddev: bool = False


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """Statistics of one unit, group and period.

    `total`, `minimum` and `maximum` are exact ints for integer meters; `mean` and the population
    standard deviation `stddev` are floats; `stddev` is None when it was not asked for, or when samples are long gone
    and nobody knows it any more. `first` and `last` are the times of the first and last sample.
    `period_start` and `period_end` are None when no period was asked for.
    """

    unit: str
    count: int
    minimum: int | float
    maximum: int | float
    total: int | float
    mean: float
    stddev: float | None
    first: datetime
    last: datetime
    period_start: datetime | None = None
    period_end: datetime | None = None
    groups: Mapping[GroupKey, str | None] = field(default_factory=dict)
    cardinality: Mapping[Cardinality, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PercentileRow:
    """A percentile of one unit, group and period that holds `count` samples.

    `value` is a reading where one stands at that place, else the float nearest to the point between two readings.
    `period_start` and `period_end` are None when no period was asked for.
    """

    unit: str
    count: int
    value: int | float
    period_start: datetime | None = None
    period_end: datetime | None = None
    groups: Mapping[GroupKey, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RateRow:
    """How fast a counter of one resource rose in a period.

    `increase` is an exact int for integer meters, over the `seconds` in which it is known; `rate` is the increase per
    second. Both are None when nothing is known. `unknown` steps between two readings are in neither.
    """

    unit: str
    resource_id: str
    project_id: str | None
    increase: int | float | None
    seconds: float
    rate: float | None
    unknown: int
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """A resource with the metadata, user and source of its latest sample, and when it was seen."""

    resource_id: str
    project_id: str | None
    user_id: str | None
    source: str
    first: datetime
    last: datetime
    metadata: Mapping[str, object]
    meters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeterSummary:
    """A meter of a resource; resource, project, user and source are None when meters were asked for once each."""

    name: str
    type: str
    unit: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch: `new` readings kept, `duplicates` already there, `conflicts` there with another value.

    `too_old` is what went to quarantine because nothing of its time is kept any more: readings before `kept_from`,
    microseconds since 1970 UTC; None: there were none.
    """

    new: int
    duplicates: int
    conflicts: int
    too_old: tuple[Refused, ...] = field(default=(), compare=False)
    kept_from: int | None = field(default=None, compare=False)
