"""POST /v2/query/samples, /v2/query/alarms and /v2/query/alarms/history."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Body, InScope, Parts, Services
from api.policy import may
from api.v2 import answer, complex_body, sample_text
from api.v2.alarm_schemas import AlarmAnswer, ChangeAnswer
from api.v2.arguments import Asked
from api.v2.expressions import Fields
from api.v2.schemas import Sample
from storage.alarm import Alarm, AlarmChange, AlarmFilter, HistoryFilter
from storage.errors import TookTooLong
from storage.expression import holds, in_order
from storage.reading.searching import Search
from storage.sample import to_microseconds

MOST_LOOKED_AT: Final = 100_000  # alarms, and lines of history: those of a filter are looked at one by one

SAMPLES: Final = Fields(
    {
        "meter": "text", "type": "text", "unit": "text", "volume": "number", "resource_id": "text",
        "project_id": "text", "user_id": "text", "source": "text", "timestamp": "moment",
        "recorded_at": "moment", "message_id": "text", "message_signature": "text",
    },
    {
        "counter_name": "meter", "counter_type": "type", "counter_unit": "unit", "counter_volume": "volume",
        "resource": "resource_id", "project": "project_id", "user": "user_id",
    },
    "project_id",
    with_metadata=True,
)  # fmt: skip
ALARMS: Final = Fields(
    {
        "alarm_id": "text", "type": "text", "enabled": "flag", "name": "text", "description": "text",
        "timestamp": "moment", "user_id": "text", "project_id": "text", "state": "text", "state_timestamp": "moment",
        "state_reason": "text", "repeat_actions": "flag", "severity": "text",
    },
    {"project": "project_id", "user": "user_id"},
    "project_id",
)  # fmt: skip
CHANGES: Final = Fields(
    {
        "event_id": "text", "alarm_id": "text", "type": "text", "detail": "text", "user_id": "text",
        "project_id": "text", "on_behalf_of": "text", "severity": "text", "timestamp": "moment",
    },
    {"project": "project_id", "user": "user_id"},
    "on_behalf_of",
)  # fmt: skip

router = APIRouter(tags=["queries"])


@router.post(
    "/v2/query/samples",
    dependencies=[may("telemetry:query_sample")],
    responses={200: {"model": list[Sample]}},
    openapi_extra=complex_body.DESCRIBED,
)
def query_samples(asked: Asked, content: Body, scope: InScope, parts: Parts) -> Response:
    """Samples of which a filter is true, newest first unless another order is asked for."""
    asked.check_names()
    wanted = complex_body.read(content, SAMPLES, scope)
    limit = answer.limit(wanted.limit, parts.settings)
    search = Search(scope, wanted.expression, wanted.order)
    return answer.text(sample_text.SAMPLES.all(parts.samples.search(search, limit, datetime.now(UTC))))


@router.post(
    "/v2/query/alarms",
    dependencies=[may("telemetry:query_alarm")],
    responses={200: {"model": list[AlarmAnswer]}},
    openapi_extra=complex_body.DESCRIBED,
)
def query_alarms(asked: Asked, content: Body, scope: InScope, parts: Parts) -> Response:
    """Alarms of which a filter is true, the latest changed first unless another order is asked for."""
    asked.check_names()
    wanted = complex_body.read(content, ALARMS, scope)
    found = parts.alarms.find(AlarmFilter(scope), MOST_LOOKED_AT + 1)
    return answer.rows([AlarmAnswer.of(one) for one in _matching(found, wanted, _of_alarm, parts)])


@router.post(
    "/v2/query/alarms/history",
    dependencies=[may("telemetry:query_alarm_history")],
    responses={200: {"model": list[ChangeAnswer]}},
    openapi_extra=complex_body.DESCRIBED,
)
def query_history(asked: Asked, content: Body, scope: InScope, parts: Parts) -> Response:
    """What became of alarms, as far as a filter is true of it; the newest first unless another order is asked for."""
    asked.check_names()
    wanted = complex_body.read(content, CHANGES, scope)
    found = parts.alarms.history(HistoryFilter(scope, None), MOST_LOOKED_AT + 1)
    return answer.rows([ChangeAnswer.of(one) for one in _matching(found, wanted, _of_change, parts)])


def _matching(
    found: list[Any],  # Any: alarms, or lines of their history
    wanted: complex_body.Asked,
    value_of: Callable[[Any, str], object],
    parts: Services,
) -> list[Any]:
    """Those of which it is true, in its order; lists of alarms were never cut by a default limit."""
    limit = parts.settings.max_limit if wanted.limit is None else answer.limit(wanted.limit, parts.settings)
    if len(found) > MOST_LOOKED_AT:
        raise TookTooLong("too many alarms to look at")
    good: Iterable[Any] = (one for one in found if holds(wanted.expression, partial(value_of, one)))
    if wanted.order:
        good = sorted(good, key=in_order(wanted.order, value_of))
    return [one for _, one in zip(range(limit), good, strict=False)]


def _of_alarm(alarm: Alarm, field: str) -> object:
    return _told(getattr(alarm, field))


def _of_change(change: AlarmChange, field: str) -> object:
    return _told(getattr(change, field))


def _told(value: object) -> object:
    return to_microseconds(value) if isinstance(value, datetime) else value
