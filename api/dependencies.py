"""What handlers ask for: the parts they use, who is calling, and what the caller may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from api.auth import Authenticator, Identity
from api.policy import caller
from api.scope import scope
from api.settings import AlarmSettings, ApiSettings
from storage.query import (
    MeterSummary,
    ResourceSummary,
    SampleQuery,
    Scope,
    StatisticsQuery,
    StatisticsRow,
)
from storage.sample import Refused, Sample, StoredSample

if TYPE_CHECKING:
    from storage.alarms import Alarms
    from storage.deliveries import Deliveries


class SampleStore(Protocol):
    """Finds samples; `storage.samples.Samples` is one."""

    def find(self, query: SampleQuery, limit: int) -> list[StoredSample]:
        """Newest first."""
        ...

    def get(self, scope: Scope, message_id: str) -> StoredSample | None:
        """The sample of this id, None if the scope does not hold it."""
        ...

    def identify(self, samples: Sequence[Sample]) -> list[str]:
        """The message ids of stored samples, in their order."""
        ...


class StatisticsStore(Protocol):
    """Computes statistics; `storage.statistics.Statistics` is one."""

    def compute(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """Ordered by period, then groups, then unit."""
        ...


class ResourceStore(Protocol):
    """Lists resources and meters; `storage.resources.Resources` is one."""

    def resources(self, query: SampleQuery, limit: int) -> list[ResourceSummary]:
        """Resources with a matching sample."""
        ...

    def resource(self, scope: Scope, resource_id: str) -> ResourceSummary | None:
        """One resource, None if the scope does not hold it."""
        ...

    def meters(self, query: SampleQuery, limit: int, *, unique: bool = False) -> list[MeterSummary]:
        """Meters per resource, or once each when `unique`."""
        ...


class Intake(Protocol):
    """Takes posted samples in; `collector.pipeline.Pipeline` is one."""

    def accept(
        self, samples: Sequence[Sample], *, origin: Literal["notifications", "agent", "api"], now: datetime
    ) -> list[Refused]:
        """Stores the good ones and returns the refused ones with their reasons."""
        ...


class Check(Protocol):
    """One thing that must be well before this server is ready."""

    @property
    def name(self) -> str:
        """One word: database, schema, broker, lag."""
        ...

    def check(self) -> str | None:
        """Why it is not well, for an operator (no secrets), or None."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the API works with; built by `cli`."""

    samples: SampleStore
    statistics: StatisticsStore
    resources: ResourceStore
    alarms: "Alarms"
    deliveries: "Deliveries"
    pipeline: Intake
    auth: Authenticator
    readiness: tuple[Check, ...]
    settings: ApiSettings
    alarm_settings: AlarmSettings
    registry: CollectorRegistry


async def services(request: Request) -> Services:
    """The parts this application was created with."""
    parts: Services = request.app.state.services
    return parts


async def in_scope(identity: Annotated[Identity, Depends(caller)]) -> Scope:
    """What the caller may see; raises Unauthenticated or Forbidden."""
    return scope(identity)


async def body(request: Request) -> bytes:
    """The whole request body; the middleware bounds its size."""
    return await request.body()


Caller = Annotated[Identity, Depends(caller)]
InScope = Annotated[Scope, Depends(in_scope)]
Parts = Annotated[Services, Depends(services)]
Body = Annotated[bytes, Depends(body)]
