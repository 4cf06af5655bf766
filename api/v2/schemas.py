"""The shapes of the v2 API, keys in Ceilometer's order; times are texts (`times.text`), volumes are floats."""

import base64
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel

from api.v2 import times
from storage.query import MeterSummary, ResourceSummary
from storage.sample import StoredSample, flatten

STANDARD = ("min", "max", "avg", "sum", "count")


class OldSample(BaseModel):
    """A sample as `/v2/meters/{name}` answers it."""

    source: str | None
    counter_name: str
    counter_type: str
    counter_unit: str
    counter_volume: float
    user_id: str | None
    project_id: str | None
    resource_id: str
    timestamp: str
    recorded_at: str
    resource_metadata: dict[str, str]
    message_id: str

    @classmethod
    def of(cls, stored: StoredSample) -> Self:
        """The shape of a stored sample."""
        sample = stored.sample
        return cls(
            source=sample.source,
            counter_name=sample.meter,
            counter_type=sample.type,
            counter_unit=sample.unit,
            counter_volume=float(sample.volume),
            user_id=sample.user_id,
            project_id=sample.project_id,
            resource_id=sample.resource_id,
            timestamp=times.text(sample.timestamp),
            recorded_at=times.text(stored.recorded_at),
            resource_metadata=flatten(sample.metadata),
            message_id=stored.message_id,
        )


class Sample(BaseModel):
    """A sample as `/v2/samples` answers it."""

    id: str
    meter: str
    type: str
    unit: str
    volume: float
    user_id: str | None
    project_id: str | None
    resource_id: str
    source: str | None
    timestamp: str
    recorded_at: str
    metadata: dict[str, str]

    @classmethod
    def of(cls, stored: StoredSample) -> Self:
        """The shape of a stored sample."""
        sample = stored.sample
        return cls(
            id=stored.message_id,
            meter=sample.meter,
            type=sample.type,
            unit=sample.unit,
            volume=float(sample.volume),
            user_id=sample.user_id,
            project_id=sample.project_id,
            resource_id=sample.resource_id,
            source=sample.source,
            timestamp=times.text(sample.timestamp),
            recorded_at=times.text(stored.recorded_at),
            metadata=flatten(sample.metadata),
        )


class Meter(BaseModel):
    """A meter of a resource; who and where are null when meters were asked for once each."""

    name: str
    type: str
    unit: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    source: str | None
    meter_id: str

    @classmethod
    def of(cls, summary: MeterSummary) -> Self:
        """The shape of a meter; without a resource its id is made of the text None, as Ceilometer's was."""
        return cls(
            name=summary.name,
            type=summary.type,
            unit=summary.unit,
            resource_id=summary.resource_id,
            project_id=summary.project_id,
            user_id=summary.user_id,
            source=summary.source,
            meter_id=base64.b64encode(f"{summary.resource_id}+{summary.name}".encode()).decode(),
        )


class Link(BaseModel):
    """Where something else is found."""

    href: str
    rel: str


class Resource(BaseModel):
    """A resource with the metadata of its latest sample."""

    resource_id: str
    project_id: str | None
    user_id: str | None
    first_sample_timestamp: str
    last_sample_timestamp: str
    metadata: dict[str, str]
    links: list[Link]
    source: str | None

    @classmethod
    def of(cls, summary: ResourceSummary, base: str, *, with_meters: bool) -> Self:
        """The shape of a resource under the URL `base`; `with_meters` adds a link for each of its meters."""
        name = quote(summary.resource_id, safe="")
        links = [Link(href=f"{base}/v2/resources/{name}", rel="self")]
        if with_meters:
            links += [
                Link(
                    href=f"{base}/v2/meters/{quote(meter, safe='')}?q.field=resource_id&q.value={name}",
                    rel=meter,
                )
                for meter in summary.meters
            ]
        return cls(
            resource_id=summary.resource_id,
            project_id=summary.project_id,
            user_id=summary.user_id,
            first_sample_timestamp=times.text(summary.first),
            last_sample_timestamp=times.text(summary.last),
            metadata=flatten(summary.metadata),
            links=links,
            source=summary.source,
        )


class Statistics(BaseModel):
    """Statistics of one unit, group and period; of the five standard ones only those asked for are set."""

    groupby: dict[str, str | None] | None
    unit: str
    min: float | None = None
    max: float | None = None
    avg: float | None = None
    sum: float | None = None
    count: int | None = None
    aggregate: dict[str, float | None] | None = None
    duration: float | None
    duration_start: str | None
    duration_end: str | None
    period: int
    period_start: str
    period_end: str
