"""/v2/events and /v2/event_types."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api.dependencies import Caller, Parts
from api.errors import InvalidInput, NotFound
from api.policy import may
from api.v2 import answer
from api.v2.arguments import Asked
from api.v2.event_conditions import event_order, event_query, event_scope, wants_all
from api.v2.event_schemas import TYPES, EventAnswer, TraitAnswer, TraitDescription
from api.v2.parameters import described
from collector.text import clean

router = APIRouter(tags=["events"])


@router.get(
    "/v2/events",
    dependencies=[may("events:index")],
    responses={200: {"model": list[EventAnswer]}},
    openapi_extra=described("q", "limit", "sort", "marker"),
)
def list_events(asked: Asked, caller: Caller, parts: Parts) -> Response:
    """Events that match, the oldest first unless another order is asked for; with a marker those that follow it."""
    asked.check_names("q", "limit", "sort", "marker")
    scope = event_scope(caller, all_tenants=wants_all(asked.conditions))
    query = event_query(asked.conditions, scope)
    limit = answer.limit(asked.integer("limit"), parts.settings)
    order, marker = event_order(asked.texts("sort")), asked.text("marker")
    after = None if marker is None else parts.events.get(scope, marker)
    if marker is not None and after is None:
        raise InvalidInput("marker", marker, "There is no such event")
    found = parts.events.find(query, limit, order, after) if query else []
    return answer.rows([EventAnswer.of(event) for event in found])


@router.get(
    "/v2/events/{message_id:path}",
    dependencies=[may("events:show")],
    responses={200: {"model": EventAnswer}},
)
def get_event(message_id: str, asked: Asked, caller: Caller, parts: Parts) -> Response:
    """One event by its message id; an administrator sees every one."""
    asked.check_names()
    scope = event_scope(caller, all_tenants=caller.is_admin)
    event = parts.events.get(scope, clean(message_id))
    if event is None:
        raise NotFound("Event", message_id)
    return answer.one(EventAnswer.of(event))


@router.get("/v2/event_types", dependencies=[may("events:types")], responses={200: {"model": list[str]}})
def list_types(asked: Asked, parts: Parts) -> Response:
    """The types of the events there are."""
    asked.check_names()
    return JSONResponse(parts.events.types())


@router.get("/v2/event_types/{event_type}", dependencies=[may("events:types")])
def get_type(event_type: str) -> Response:
    """There is nothing to tell of a type: always 404, as in Ceilometer."""
    raise NotFound("Event type", event_type)


@router.get(
    "/v2/event_types/{event_type}/traits",
    dependencies=[may("events:types")],
    responses={200: {"model": list[TraitDescription]}},
)
def list_traits(event_type: str, asked: Asked, parts: Parts) -> Response:
    """The traits that events of a type have; none for a type nobody knows."""
    asked.check_names()
    found = parts.events.traits(clean(event_type))
    return answer.rows([TraitDescription(name=name, type=TYPES[kind]) for name, kind in found])


@router.get(
    "/v2/event_types/{event_type}/traits/{name}",
    dependencies=[may("events:types")],
    responses={200: {"model": list[TraitAnswer]}},
    openapi_extra=described("limit"),
)
def list_values(event_type: str, name: str, asked: Asked, parts: Parts) -> Response:
    """What a trait is in the first events of a type that have it."""
    asked.check_names("limit")
    limit = answer.limit(asked.integer("limit"), parts.settings)
    return answer.rows(
        [TraitAnswer.of(trait) for trait in parts.events.values(clean(event_type), clean(name), limit)]
    )
