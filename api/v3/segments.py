"""/v3/segments and /v3/resources/{id}/segments: the lives of resources."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel

from api.dependencies import InScope, Parts, base_url
from api.errors import NotFound
from api.policy import may
from api.scope import check_project
from collector.text import clean
from storage.fact import Scalar
from storage.lifecycle import Segment
from storage.segments import SegmentPage, SegmentQuery

MOST_RESOURCES = 1000


def _in_utc(moment: datetime) -> datetime:
    """The same moment; raises ValueError where UTC has no name for it, which a zone can write."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is outside the calendar") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

router = APIRouter(tags=["segments"])


class SegmentAnswer(BaseModel):
    """From `start` to `end` (null: until now) a resource was like this; RFC 3339, the end is not part of it."""

    kind: str
    resource_id: str
    start: str
    end: str | None
    project_id: str | None
    type: str | None
    size: int | None
    status: str | None
    zone: str | None
    name: str | None
    attributes: Mapping[str, Scalar]

    @classmethod
    def of(cls, segment: Segment) -> "SegmentAnswer":
        """The shape of a segment."""
        said = segment.attributes
        return cls(
            kind=segment.kind,
            resource_id=segment.resource_id,
            start=_text(segment.start),
            end=None if segment.end is None else _text(segment.end),
            project_id=said.project_id,
            type=said.type,
            size=said.size,
            status=said.status,
            zone=said.zone,
            name=said.name,
            attributes=dict(said.more),
        )


@router.get("/v3/segments", dependencies=[may("telemetry:get_resources")])
def list_segments(
    request: Request,
    response: Response,
    scope: InScope,
    parts: Parts,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    kind: str | None = None,
    project_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_RESOURCES, description="resources, not segments")] = 100,
    after_resource: str | None = None,
    after_kind: str = "",
) -> list[SegmentAnswer]:
    """Segments that have a part of a time, by resource, kind and time; the header Link names the next page."""
    if project_id is not None:
        check_project(scope, project_id)
    after = None if after_resource is None else (clean(after_resource), clean(after_kind))
    query = SegmentQuery(scope, start, end, kind and clean(kind), project_id and clean(project_id), after)
    page = parts.segments.find(query, limit)
    if page.after is not None:
        response.headers["Link"] = f'<{_next(request, base_url(request, parts.settings), page)}>; rel="next"'
    return [SegmentAnswer.of(segment) for segment in page.segments]


@router.get("/v3/resources/{resource_id:path}/segments", dependencies=[may("telemetry:get_resource")])
def list_segments_of_resource(
    resource_id: str, scope: InScope, parts: Parts, kind: str | None = None
) -> list[SegmentAnswer]:
    """The life of one resource, oldest segment first: what of it the caller may see; none if it only has meters."""
    name = clean(resource_id)
    found = parts.segments.of_resource(scope, name, kind and clean(kind))
    if not found and parts.resources.resource(scope, name) is None:
        raise NotFound("Resource", resource_id)
    return [SegmentAnswer.of(segment) for segment in found]


def _next(request: Request, base: str, page: SegmentPage) -> str:
    resource_id, kind = page.after or ("", "")
    asked = {name: value for name, value in request.query_params.items() if not name.startswith("after_")}
    return f"{base}/v3/segments?{urlencode(asked | {'after_resource': resource_id, 'after_kind': kind})}"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
