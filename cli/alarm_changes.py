"""What an alarm's options change in the object the API keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cli import conditions
from cli.client import Document
from cli.errors import WrongUsage
from storage.alarm import Comparison, Severity, Statistic

RULE = "threshold_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChanges:
    """Fields of a threshold rule, by the API's names; None leaves a field alone. `period` is in seconds."""

    meter_name: str | None
    threshold: float | None
    comparison_operator: Comparison | None
    statistic: Statistic | None
    period: int | None
    evaluation_periods: int | None
    query: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChanges:
    """Fields of an alarm, by the API's names; None leaves a field alone."""

    name: str | None
    description: str | None
    severity: Severity | None
    enabled: bool | None
    repeat_actions: bool | None
    alarm_actions: list[str] | None
    ok_actions: list[str] | None
    insufficient_data_actions: list[str] | None
    rule: RuleChanges


def created(changes: AlarmChanges) -> Document:
    """A new threshold alarm; what was left alone is left to the server's defaults."""
    return {"type": "threshold", **_given(changes), RULE: _rule(changes.rule)}


def updated(alarm: Document, changes: AlarmChanges) -> Document:
    """The whole alarm as it was read, with the changes applied: the API replaces what it is given.

    Raises WrongUsage when a rule that is no threshold rule would have to change.
    """
    rule = _rule(changes.rule)
    old = alarm.get(RULE)
    if not isinstance(old, Mapping):
        if rule:
            raise WrongUsage(
                f"alarm of type {alarm.get('type')!r}: the options of a threshold rule do not fit it"
            )
        return {**alarm, **_given(changes)}
    return {**alarm, **_given(changes), RULE: {**old, **rule}}


def _given(changes: AlarmChanges) -> dict[str, object]:
    return {name: value for name, value in asdict(changes).items() if value is not None and name != "rule"}


def _rule(changes: RuleChanges) -> dict[str, object]:
    rule: dict[str, object] = {name: value for name, value in asdict(changes).items() if value is not None}
    if changes.query is not None:
        rule["query"] = [asdict(condition) for condition in conditions.parse(changes.query)]
    return rule
