"""What handlers ask for: the parts they use, who is calling, and what the caller may see."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from api.alarms.webhook import Signer
from api.auth import Authenticator, Identity
from api.errors import NotAcceptable, UnknownArgument, UnsupportedType
from api.headers import has_no_body, header
from api.policy import caller
from api.scope import scope
from api.settings import AlarmSettings, ApiSettings
from api.watch import Watch
from storage.alarms import Alarms
from storage.deliveries import Deliveries
from storage.event_search import EventSearch
from storage.lifecycle import Segment
from storage.query import (
    MeterSummary,
    ResourceSummary,
    SampleQuery,
    Scope,
    StatisticsQuery,
)
from storage.reading.answers import StatisticsTable
from storage.reading.hours import Hours
from storage.reading.searching import Search
from storage.reading.stored import FoundSample
from storage.sample import Refused, Sample, StoredSample
from storage.segments import SegmentPage, SegmentQuery
from storage.upkeep.retention import Kept


class SampleStore(Protocol):
    """Finds samples; `storage.samples.Samples` is one."""

    def newest(self, query: SampleQuery, limit: int) -> Sequence[FoundSample]:
        """Newest first."""
        ...

    async def newest_soon(self, query: SampleQuery, limit: int) -> Sequence[FoundSample] | None:
        """The same, if it takes no thread to tell; None otherwise."""
        ...

    def search(self, search: Search, limit: int, now: datetime) -> list[FoundSample]:
        """Those an expression is true of, in its order."""
        ...

    def get(self, scope: Scope, message_id: str) -> StoredSample | None:
        """The sample of this id, None if the scope does not hold it."""
        ...

    def identify(self, samples: Sequence[Sample]) -> list[str]:
        """The message ids of stored samples, in their order."""
        ...


class StatisticsStore(Protocol):
    """Computes statistics; `storage.statistics.Statistics` is one."""

    def table(self, query: StatisticsQuery) -> StatisticsTable:
        """Ordered by period, then groups, then unit."""
        ...

    async def soon(self, query: StatisticsQuery) -> Hours | StatisticsTable | None:
        """The same, if it takes no thread to tell; None otherwise."""
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


class SegmentStore(Protocol):
    """Knows the lives of resources; `storage.segments.Segments` is one."""

    def of_resource(self, scope: Scope, resource_id: str, kind: str | None = None) -> list[Segment]:
        """The segments of one resource that the scope holds, oldest first."""
        ...

    def find(self, query: SegmentQuery, limit: int) -> SegmentPage:
        """The segments of at most `limit` resources."""
        ...


class Intake(Protocol):
    """Takes posted samples in; `collector.pipeline.Pipeline` is one."""

    def accept(
        self, samples: Sequence[Sample], *, origin: Literal["notifications", "agent", "api"], now: datetime
    ) -> list[Refused]:
        """Stores the good ones and returns the refused ones with their reasons."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the API works with; built by `cli`."""

    samples: SampleStore
    statistics: StatisticsStore
    resources: ResourceStore
    events: EventSearch
    segments: SegmentStore
    alarms: Alarms
    deliveries: Deliveries
    signer: Signer
    pipeline: Intake
    auth: Authenticator
    watch: Watch
    settings: ApiSettings
    alarm_settings: AlarmSettings
    registry: CollectorRegistry
    kept: Callable[[], Kept]


async def services(request: Request) -> Services:
    """The parts this application was created with."""
    parts: Services = request.app.state.services
    return parts


async def in_scope(request: Request) -> Scope:
    """What the caller may see; raises Unauthenticated or Forbidden."""
    return scope(await caller(request))


async def body(request: Request) -> bytes:
    """The whole request body, whose size the middleware bounds; raises UnsupportedType unless it is JSON."""
    if has_no_body(request.scope):
        return b""
    content = await request.body()
    kind = (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()
    if content and kind != "application/json":
        raise UnsupportedType
    return content


async def check_accept(request: Request) -> None:
    """Raises NotAcceptable for a caller that takes no JSON."""
    accept = header(request.scope, b"accept")
    if accept is not None and not takes_json(accept):
        raise NotAcceptable


async def check_parameters(request: Request) -> None:
    """Raises UnknownArgument for a parameter the route does not have: one that is mistyped would narrow nothing."""
    route: APIRoute = request.scope["route"]
    known = {parameter.alias for parameter in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise UnknownArgument(name)


@lru_cache(1000)
def takes_json(accept: str) -> bool:
    """Whether an Accept header lets us answer JSON."""
    weights = dict(_media_range(part) for part in accept.split(","))
    for media in ("application/json", "application/*", "*/*"):
        if media in weights:
            return weights[media] > 0
    return False


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
    return media, float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 0.0


def base_url(request: Request, settings: ApiSettings) -> str:
    """The URL this API is reached under, without a slash at its end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")


Caller = Annotated[Identity, Depends(caller)]
InScope = Annotated[Scope, Depends(in_scope)]
Parts = Annotated[Services, Depends(services)]
Body = Annotated[bytes, Depends(body)]
