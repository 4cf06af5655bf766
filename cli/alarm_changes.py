"""The options of an alarm, and what they change in the object the API keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from cli import conditions
from cli.client import Document
from cli.errors import WrongUsage
from cli.session import Query
from storage.alarm import Severity, Statistic
from storage.comparison import Comparison

RULE = "threshold_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """Options that change fields of a threshold rule, by the API's names; None leaves a field alone."""

    comparison_operator: Annotated[
        Comparison | None, typer.Option("--operator", help="statistic OPERATOR threshold (server: eq)")
    ] = None
    statistic: Annotated[
        Statistic | None, typer.Option("--statistic", help="of the samples of a period (server: avg)")
    ] = None
    period: Annotated[
        int | None,
        typer.Option("-p", "--period", min=1, metavar="SECONDS", help="length of a period (server: 60)"),
    ] = None
    evaluation_periods: Annotated[
        int | None,
        typer.Option("--evaluation-periods", min=1, help="periods in a row that must hold (server: 1)"),
    ] = None
    query: Query = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmOptions:
    """Options that change fields of an alarm, by the API's names; None leaves a field alone."""

    alarm_actions: Annotated[
        list[str] | None, typer.Option("--alarm-action", metavar="URL", help="called on alarm; repeatable")
    ] = None
    ok_actions: Annotated[
        list[str] | None, typer.Option("--ok-action", metavar="URL", help="called on ok; repeatable")
    ] = None
    insufficient_data_actions: Annotated[
        list[str] | None,
        typer.Option(
            "--insufficient-data-action", metavar="URL", help="called when data are missing; repeatable"
        ),
    ] = None
    repeat_actions: Annotated[
        bool | None,
        typer.Option("--repeat-actions/--no-repeat-actions", help="call again while the state lasts"),
    ] = None
    severity: Annotated[Severity | None, typer.Option("--severity", help="how bad it is (server: low)")] = (
        None
    )
    description: Annotated[str | None, typer.Option("--description", help="what it means")] = None
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="whether it is evaluated")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class AlarmChanges:
    """What changes of an alarm; None leaves a field alone."""

    name: str | None
    meter: str | None
    threshold: float | None
    rule: RuleOptions
    alarm: AlarmOptions


def created(changes: AlarmChanges) -> Document:
    """A new threshold alarm; what was left alone is left to the server's defaults."""
    return {"type": "threshold", **_given(changes), RULE: _rule(changes)}


def updated(alarm: Document, changes: AlarmChanges) -> Document:
    """The whole alarm as it was read, with the changes applied: the API replaces what it is given.

    Raises WrongUsage when a rule that is no threshold rule would have to change.
    """
    rule = _rule(changes)
    old = alarm.get(RULE)
    if not isinstance(old, Mapping):
        if rule:
            raise WrongUsage(
                f"alarm of type {alarm.get('type')!r}: the options of a threshold rule do not fit it"
            )
        return {**alarm, **_given(changes)}
    return {**alarm, **_given(changes), RULE: {**old, **rule}}


def check_any(changes: AlarmChanges) -> None:
    """Raises WrongUsage when nothing is to change: that would only write an empty line of history."""
    if not (_given(changes) or _rule(changes)):
        raise WrongUsage("say what is to change: `nephometer alarms update --help` lists the options")


def _given(changes: AlarmChanges) -> dict[str, object]:
    return _but_none({"name": changes.name, **asdict(changes.alarm)})


def _rule(changes: AlarmChanges) -> dict[str, object]:
    options, query = asdict(changes.rule), changes.rule.query
    rule = _but_none({"meter_name": changes.meter, "threshold": changes.threshold, **options})
    if query is not None:
        rule["query"] = [asdict(condition) for condition in conditions.parse(query)]
    return rule


def _but_none(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
