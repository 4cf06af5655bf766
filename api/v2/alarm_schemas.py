"""Alarms as the v2 API reads and answers them; numbers may come as texts, as its clients send them."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api.errors import BadRequest, InvalidInput
from api.v2 import times
from collector.text import clean
from storage.alarm import (
    Alarm,
    AlarmChange,
    Condition,
    Severity,
    State,
    Statistic,
    ThresholdRule,
    TimeConstraint,
)
from storage.comparison import Comparison

YEAR_S = 366 * 24 * 3600
MAX_ACTION = 2048
LISTS = ("ok_actions", "alarm_actions", "insufficient_data_actions")


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold NUL characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_without_nul)]
Words = Annotated[str, Field(max_length=4096), AfterValidator(_without_nul)]
ReadOnly = Any  # clients send back whatever they have read


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QueryCondition(_Model):
    """One condition of a rule's query."""

    field: Name
    op: Annotated[str, Field(max_length=8)] | None = "eq"
    value: str | int | float | bool
    type: Annotated[str, Field(max_length=16)] | None = ""

    def condition(self) -> Condition:
        """The condition it means; its value is clean, as the samples it is compared with."""
        return Condition(self.field, self.op or "eq", clean(str(self.value)), self.type or "")


class ThresholdRuleBody(_Model):
    """The rule of a threshold alarm."""

    meter_name: Name
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    query: Annotated[list[QueryCondition], Field(max_length=64)] = []
    period: Annotated[int, Field(ge=1, le=YEAR_S)] = 60
    comparison_operator: Comparison = "eq"
    statistic: Statistic = "avg"
    evaluation_periods: Annotated[int, Field(ge=1, le=1000)] = 1
    exclude_outliers: bool = False

    def rule(self) -> ThresholdRule:
        """The rule it means; raises InvalidInput for one that looks back more than a year."""
        if self.period * self.evaluation_periods > YEAR_S:
            raise InvalidInput(
                "evaluation_periods", self.evaluation_periods, "the periods span more than a year"
            )
        return ThresholdRule(
            meter_name=self.meter_name,
            threshold=self.threshold,
            query=tuple(one.condition() for one in self.query),
            period_s=self.period,
            comparison_operator=self.comparison_operator,
            statistic=self.statistic,
            evaluation_periods=self.evaluation_periods,
            exclude_outliers=self.exclude_outliers,
        )

    @classmethod
    def of(cls, rule: ThresholdRule) -> Self:
        """The shape of a stored rule."""
        return cls(
            meter_name=rule.meter_name,
            threshold=rule.threshold,
            query=[QueryCondition(field=c.field, op=c.op, value=c.value, type=c.type) for c in rule.query],
            period=rule.period_s,
            comparison_operator=rule.comparison_operator,
            statistic=rule.statistic,
            evaluation_periods=rule.evaluation_periods,
            exclude_outliers=rule.exclude_outliers,
        )


class TimeConstraintBody(_Model):
    """When an alarm is evaluated."""

    name: Name
    start: Words
    duration: Annotated[int, Field(ge=0)]
    timezone: Words | None = ""
    description: Words | None = ""

    def constraint(self) -> TimeConstraint:
        """The constraint it means."""
        return TimeConstraint(
            self.name, self.start, self.duration, self.timezone or "", self.description or ""
        )

    @classmethod
    def of(cls, constraint: TimeConstraint) -> Self:
        """The shape of a stored constraint."""
        return cls(
            name=constraint.name,
            start=constraint.start,
            duration=constraint.duration_s,
            timezone=constraint.timezone,
            description=constraint.description,
        )


Actions = Annotated[list[Annotated[str, Field(max_length=MAX_ACTION)]], Field(max_length=100)] | None


class AlarmBody(_Model):
    """An alarm as a caller sends it: what only the server decides may be there and is not looked at."""

    name: Name
    type: Name
    threshold_rule: ThresholdRuleBody | None = None
    description: Words | None = None
    enabled: bool = True
    severity: Severity = "low"
    state: State | None = None
    ok_actions: Actions = None
    alarm_actions: Actions = None
    insufficient_data_actions: Actions = None
    repeat_actions: bool = False
    time_constraints: Annotated[list[TimeConstraintBody], Field(max_length=100)] | None = None
    user_id: Name | None = None
    project_id: Name | None = None
    alarm_id: ReadOnly = None
    timestamp: ReadOnly = None
    state_timestamp: ReadOnly = None
    state_reason: ReadOnly = None
    evaluate_timestamp: ReadOnly = None


class AlarmAnswer(BaseModel):
    """An alarm as the API answers it, and as its history keeps it."""

    alarm_id: str
    name: str
    description: str
    type: Literal["threshold"]
    enabled: bool
    severity: str
    state: str
    state_reason: str
    state_timestamp: str
    timestamp: str
    evaluate_timestamp: str | None
    user_id: str | None
    project_id: str | None
    repeat_actions: bool
    ok_actions: list[str]
    alarm_actions: list[str]
    insufficient_data_actions: list[str]
    time_constraints: list[TimeConstraintBody]
    threshold_rule: ThresholdRuleBody

    @classmethod
    def of(cls, alarm: Alarm) -> Self:
        """The shape of a stored alarm."""
        evaluated_at = alarm.evaluated_at
        return cls(
            alarm_id=alarm.alarm_id,
            name=alarm.name,
            description=alarm.description,
            type="threshold",
            enabled=alarm.enabled,
            severity=alarm.severity,
            state=alarm.state,
            state_reason=alarm.state_reason,
            state_timestamp=times.text(alarm.state_timestamp),
            timestamp=times.text(alarm.timestamp),
            evaluate_timestamp=None if evaluated_at is None else times.text(evaluated_at),
            user_id=alarm.user_id,
            project_id=alarm.project_id,
            repeat_actions=alarm.repeat_actions,
            ok_actions=list(alarm.ok_actions),
            alarm_actions=list(alarm.alarm_actions),
            insufficient_data_actions=list(alarm.insufficient_data_actions),
            time_constraints=[TimeConstraintBody.of(one) for one in alarm.time_constraints],
            threshold_rule=ThresholdRuleBody.of(alarm.rule),
        )


class ChangeAnswer(BaseModel):
    """One line of an alarm's history; `detail` is JSON text."""

    event_id: str
    alarm_id: str
    type: str
    detail: str
    user_id: str | None
    project_id: str | None
    on_behalf_of: str | None
    timestamp: str
    severity: str

    @classmethod
    def of(cls, change: AlarmChange) -> Self:
        """The shape of a stored line."""
        return cls(
            event_id=change.event_id,
            alarm_id=change.alarm_id,
            type=change.type,
            detail=change.detail,
            user_id=change.user_id,
            project_id=change.project_id,
            on_behalf_of=change.on_behalf_of,
            timestamp=times.text(change.timestamp),
            severity=change.severity,
        )


# What Aodh and later Ceilometers also knew; later versions of this program add their own.
OTHER_TYPES = (
    "combination",
    "composite",
    "event",
    "gnocchi_aggregation_by_metrics_threshold",
    "gnocchi_aggregation_by_resources_threshold",
    "gnocchi_resources_threshold",
    "loadbalancer_member_health",
    "prometheus",
)


def read_alarm(body: object) -> AlarmBody:
    """The alarm a caller sent; raises BadRequest for the first thing that is wrong with it."""
    if not isinstance(body, dict):
        raise BadRequest("Invalid request body: an alarm is an object")
    kind = body.get("type")
    if isinstance(kind, str) and kind in OTHER_TYPES:
        raise InvalidInput("type", kind, "this type of alarm is not supported; supported are: threshold")
    foreign = {f"{other}_rule" for other in OTHER_TYPES}
    known = {key: value for key, value in body.items() if key not in foreign or value is not None}
    try:
        alarm = AlarmBody.model_validate(known)
    except ValidationError as error:
        raise _refused(error) from error
    if alarm.type != "threshold":
        raise InvalidInput("type", alarm.type, "Value should be one of: threshold")
    return alarm


def _refused(error: ValidationError) -> BadRequest:
    """The first mistake, worded as WSME did."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return BadRequest(f"Unknown attribute: {place}")
    if first["type"] == "missing":
        return BadRequest(f"Invalid input for field/attribute {place}. Mandatory field missing.")
    return InvalidInput(place, str(first["input"])[:200], first["msg"])
