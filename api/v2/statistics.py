"""GET /v2/meters/{name}/statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import InScope, Parts, StatisticsStore
from api.errors import BadRequest, UnknownArgument
from api.policy import may
from api.settings import ApiSettings
from api.v2 import answer, statistics_text
from api.v2.arguments import Aggregate, Arguments, Asked
from api.v2.hourly_text import hourly
from api.v2.parameters import described
from api.v2.query import SAMPLE_FIELDS, Question, question
from api.v2.schemas import STANDARD, Statistics
from collector.text import clean
from storage.query import Cardinality, GroupKey, Scope, StatisticsQuery
from storage.reading.answers import StatisticsTable
from storage.reading.hours import Hours

MAX_PERIOD_S: Final = 100 * 366 * 86400

GROUP_KEYS: Final[tuple[GroupKey, ...]] = get_args(GroupKey)
CARDINALITIES: Final[tuple[Cardinality, ...]] = get_args(Cardinality)

router = APIRouter(tags=["meters"])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A statistics request: the question, and which statistics to answer (none: the five standard ones)."""

    asked: Question
    query: StatisticsQuery
    aggregates: tuple[Aggregate, ...]


@router.get(
    "/v2/meters/{name}/statistics",
    dependencies=[may("telemetry:compute_statistics")],
    responses={200: {"model": list[Statistics]}},
    openapi_extra=described("q", "period", "groupby", "aggregate"),
)
async def compute_statistics(name: str, asked: Asked, scope: InScope, parts: Parts) -> Response:
    """Statistics of one meter, by period, group and unit; periods without samples are left out."""
    wanted = _wanted(name, asked, scope)
    if _has_few_periods(wanted.query, parts.settings):
        found = await parts.statistics.soon(wanted.query)
        if found is not None:
            return _soon_written(wanted, found, parts.settings)
    return await run_in_threadpool(_computed, wanted, parts.statistics, parts.settings)


def _computed(wanted: _Wanted, store: StatisticsStore, settings: ApiSettings) -> Response:
    _check_periods(wanted.query, store, settings)
    return _written(wanted, store.table(wanted.query), settings)


def _soon_written(wanted: _Wanted, found: Hours | StatisticsTable, settings: ApiSettings) -> Response:
    if not isinstance(found, Hours):
        return _written(wanted, found, settings)
    is_few = len(found.rows) <= settings.max_statistics and not wanted.aggregates
    text = hourly(found, (wanted.asked.start, wanted.asked.end)) if is_few else None
    return _written(wanted, found.table(), settings) if text is None else answer.text(text)


def _written(wanted: _Wanted, table: StatisticsTable, settings: ApiSettings) -> Response:
    if len(table) > settings.max_statistics:
        raise BadRequest(f"More than {settings.max_statistics} statistics: ask for fewer groups or periods")
    bounds = (wanted.asked.start, wanted.asked.end)
    return answer.text(statistics_text.statistics(table, wanted.aggregates, bounds))


def _wanted(name: str, asked: Arguments, scope: Scope) -> _Wanted:
    asked.check_names("q", "period", "groupby", "aggregate")
    questioned = question(asked.conditions, scope, SAMPLE_FIELDS, clean(name))
    aggregates = asked.aggregates()
    query = StatisticsQuery(
        questioned.query,
        period_s=_period(asked.integer("period")),
        groupby=_groupby(asked.texts("groupby")),
        cardinality=_cardinality(aggregates),
        stddev=any(aggregate.func == "stddev" for aggregate in aggregates),
    )
    return _Wanted(questioned, query, aggregates)


def _period(seconds: int | None) -> int | None:
    if seconds is not None and seconds < 0:
        raise BadRequest("Period must be positive.")
    if seconds is not None and seconds > MAX_PERIOD_S:
        raise BadRequest(f"Invalid period {seconds}: must not be larger than {MAX_PERIOD_S}")
    return seconds or None


def _groupby(names: Sequence[str]) -> tuple[GroupKey, ...]:
    for name in names:
        if name not in GROUP_KEYS:
            raise UnknownArgument(name, "Invalid groupby fields")
    return tuple(key for key in GROUP_KEYS if key in names)


def _cardinality(aggregates: Sequence[Aggregate]) -> tuple[Cardinality, ...]:
    for aggregate in aggregates:
        allowed = CARDINALITIES if aggregate.func == "cardinality" else ("",)
        if aggregate.func not in {*STANDARD, "stddev", "cardinality"} or aggregate.param not in allowed:
            shown = f"{aggregate.func}/{aggregate.param}" if aggregate.param else aggregate.func
            raise BadRequest(f"Invalid aggregation function: {shown}")
    wanted = {aggregate.param for aggregate in aggregates}
    return tuple(key for key in CARDINALITIES if key in wanted)


def _check_periods(query: StatisticsQuery, store: StatisticsStore, settings: ApiSettings) -> None:
    """Raises BadRequest for more periods than allowed between the first and last sample.

    The samples are only asked for when the bounds of the question themselves allow too many.
    """
    if query.period_s is None or _has_few_periods(query, settings):
        return
    period, limit = timedelta(seconds=query.period_s), settings.max_periods
    whole = store.table(StatisticsQuery(query.samples))
    if len(whole) and timedelta(microseconds=int(whole.last.max() - whole.first.min())) / period > limit:
        raise BadRequest(
            f"Period {query.period_s} would give more than {limit} periods: "
            "ask for a longer period or a shorter time range"
        )


def _has_few_periods(query: StatisticsQuery, settings: ApiSettings) -> bool:
    """Whether there are no more between the bounds of the question than allowed."""
    start, end = query.samples.start, query.samples.end or datetime.now(UTC)
    if query.period_s is None or start is None:
        return False
    return (end - start).total_seconds() / query.period_s <= settings.max_periods
