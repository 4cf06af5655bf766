"""nephometer alarms: what is watched."""

from collections.abc import Mapping
from typing import Annotated

import typer

from cli import alarm_changes, conditions
from cli.alarm_changes import AlarmChanges, AlarmOptions, RuleOptions
from cli.client import Document, path
from cli.errors import WrongUsage
from cli.listen import receive
from cli.output import columns
from cli.session import Query, Session, verb
from storage.alarm import State

TIMES = ("timestamp", "state_timestamp")
COLUMNS = columns(
    "alarm_id", "name", "state", "severity", "enabled", "rule",
    times=TIMES, hidden=("type", "description", "project_id", "user_id", "state_reason", *TIMES),
)  # fmt: skip
DETAIL = columns(
    "alarm_id", "name", "description", "type", "rule", "query", "state", "state_reason", "state_timestamp",
    "severity", "enabled", "repeat_actions", "ok_actions", "alarm_actions", "insufficient_data_actions",
    "time_constraints", "project_id", "user_id", "timestamp",
    times=TIMES,
)  # fmt: skip
HISTORY = columns(
    "timestamp", "type", "detail", "user_id",
    times=TIMES, hidden=("event_id", "alarm_id", "project_id", "on_behalf_of", "severity"),
)  # fmt: skip
STATE = columns("alarm_id", "state")
SIGNS = {"lt": "<", "le": "<=", "eq": "=", "ne": "!=", "ge": ">=", "gt": ">"}

AlarmId = Annotated[str, typer.Argument(metavar="ALARM", help="the alarm's id")]
NAME = typer.Option("--name", help="unique within the project")
METER = typer.Option("-m", "--meter", help="the meter to watch")
THRESHOLD = typer.Option("--threshold", metavar="NUMBER", help="compared with the statistic")

app = typer.Typer(help="Alarms: thresholds that call a webhook when they are crossed.", no_args_is_help=True)


@verb(app, "list")
def list_alarms(session: Session, *, query: Query = None) -> None:
    """Lists alarms."""
    found = session.client.many("/v2/alarms", conditions.parameters(conditions.parse(query or ())))
    session.show_all(COLUMNS, [_readable(alarm) for alarm in found])


@verb(app, "show")
def show_alarm(session: Session, alarm: AlarmId) -> None:
    """Shows one alarm."""
    session.show_one(DETAIL, _readable(session.client.one(path("v2", "alarms", alarm))))


@verb(app, "create")
def create_alarm(
    session: Session,
    *,
    name: Annotated[str, NAME],
    meter: Annotated[str, METER],
    threshold: Annotated[float, THRESHOLD],
    rule: RuleOptions,
    alarm: AlarmOptions,
) -> None:
    """Creates a threshold alarm and shows it."""
    changes = AlarmChanges(name, meter, threshold, rule, alarm)
    [created] = session.client.add("/v2/alarms", alarm_changes.created(changes))
    session.show_one(DETAIL, _readable(created))


@verb(app, "update")
def update_alarm(
    session: Session,
    alarm_id: AlarmId,
    *,
    name: Annotated[str | None, NAME] = None,
    meter: Annotated[str | None, METER] = None,
    threshold: Annotated[float | None, THRESHOLD] = None,
    rule: RuleOptions,
    alarm: AlarmOptions,
) -> None:
    """Changes what is given, keeps the rest, and shows the alarm."""
    changes = AlarmChanges(name, meter, threshold, rule, alarm)
    alarm_changes.check_any(changes)
    where = path("v2", "alarms", alarm_id)
    whole = alarm_changes.updated(session.client.one(where), changes)
    session.show_one(DETAIL, _readable(session.client.replace(where, whole)))


@verb(app, "delete")
def delete_alarm(session: Session, alarm: AlarmId) -> None:
    """Deletes an alarm; its history stays."""
    session.client.remove(path("v2", "alarms", alarm))
    session.say(f"Alarm {alarm} is deleted.")


@verb(app, "state")
def show_state(session: Session, alarm: AlarmId) -> None:
    """Shows the state of an alarm."""
    session.show_one(
        STATE, {"alarm_id": alarm, "state": session.client.text(path("v2", "alarms", alarm, "state"))}
    )


@verb(app, "set-state")
def set_state(
    session: Session, alarm: AlarmId, state: Annotated[State, typer.Argument(help="the state it is to have")]
) -> None:
    """Sets the state of an alarm until it is evaluated again."""
    now = session.client.replace_text(path("v2", "alarms", alarm, "state"), state)
    session.show_one(STATE, {"alarm_id": alarm, "state": now})


@verb(app, "history")
def show_history(session: Session, alarm: AlarmId, *, query: Query = None) -> None:
    """Lists what happened to an alarm, the newest first; also of a deleted one."""
    parameters = conditions.parameters(conditions.parse(query or ()))
    session.show_all(HISTORY, session.client.many(path("v2", "alarms", alarm, "history"), parameters))


@verb(app, "listen")
def listen(
    session: Session,
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1 to listen on")] = 9009,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many webhooks")] = None,
) -> None:
    """Receives webhooks on this machine, checks their signatures and shows them; Ctrl-C ends it."""
    secret = str(session.client.one(path("v3", "webhooks", "secret"))["secret"])
    session.say(f"Listening on http://127.0.0.1:{port}/ for webhooks.")
    try:
        receive(port, secret, count, session.tell)
    except OSError as error:
        raise WrongUsage(f"cannot listen on port {port}: {error.strerror}") from error


def _readable(alarm: Document) -> Document:
    """The alarm with its rule in one line and the rule's conditions beside it."""
    rule = alarm.get(alarm_changes.RULE)
    if not isinstance(rule, Mapping):
        return {**alarm, "rule": alarm.get("type")}
    sign = SIGNS.get(str(rule.get("comparison_operator")), "?")
    text = (
        f"{rule.get('statistic')}({rule.get('meter_name')}) {sign} {rule.get('threshold')}"
        f" during {rule.get('evaluation_periods')} x {rule.get('period')} s"
    )
    query = rule.get("query")
    parts = (
        [_condition(item) for item in query if isinstance(item, Mapping)] if isinstance(query, list) else []
    )
    return {**alarm, "rule": text, "query": parts}


def _condition(condition: Mapping[object, object]) -> str:
    sign = SIGNS.get(str(condition.get("op") or "eq"), "?")
    return f"{condition.get('field')}{sign}{condition.get('value')}"
