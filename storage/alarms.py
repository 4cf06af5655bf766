"""Alarms and their history; every change is a compare-and-set on the version that was read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from storage import tables_alarms as tables
from storage.alarm import Alarm, AlarmChange, AlarmFilter, Delivery, HistoryFilter, Transition
from storage.alarm_rows import alarm_of, alarm_row, change_of, change_row, delivery_row
from storage.database import Database
from storage.errors import Conflict
from storage.query import Scope
from storage.sample import from_microseconds, to_microseconds

ALARM, CHANGE = tables.alarm.c, tables.alarm_change.c

# A lease further ahead than any lease can be comes from a clock that was wrong: it does not count.
CLOCK_SKEW = timedelta(minutes=1)


class Alarms:
    """The alarms of all projects; whoever asks for some says in which scope.

    Every method raises DatabaseUnavailable; those that change an alarm raise Conflict when another did first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, alarm: Alarm, change: AlarmChange) -> None:
        """Keeps a new alarm, due at once, and the first line of its history."""
        row = alarm_row(alarm) | {
            "alarm_id": alarm.alarm_id,
            "version": alarm.version,
            "due_at": to_microseconds(change.timestamp),
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(tables.alarm).values(row))
            _write_change(connection, change)

        self._database.write_retrying(work)

    def update(self, alarm: Alarm, change: AlarmChange) -> Alarm:
        """Replaces the alarm whose version `alarm` holds and returns it with its new version.

        A changed rule is due at once; a state set by hand stands until the next evaluation.
        """
        row = alarm_row(alarm)
        if change.type == "rule change":
            row["due_at"] = to_microseconds(change.timestamp)

        def work(connection: Connection) -> None:
            _swap(connection, alarm, row)
            _write_change(connection, change)

        self._database.write_retrying(work)
        return replace(alarm, version=alarm.version + 1)

    def delete(self, alarm: Alarm, change: AlarmChange) -> None:
        """Deletes the alarm of this version; its history stays."""

        def work(connection: Connection) -> None:
            statement = delete(tables.alarm).where(
                ALARM.alarm_id == alarm.alarm_id, ALARM.version == alarm.version
            )
            if connection.execute(statement).rowcount != 1:
                raise Conflict(f"alarm {alarm.alarm_id} was changed or deleted")
            _write_change(connection, change)

        self._database.write_retrying(work)

    def get(self, scope: Scope, alarm_id: str) -> Alarm | None:
        """The alarm, or None when there is none in this scope."""
        found = self.find(AlarmFilter(scope, alarm_id=alarm_id), limit=1)
        return found[0] if found else None

    def find(self, wanted: AlarmFilter, limit: int) -> list[Alarm]:
        """At most `limit` alarms, the latest changed first."""
        statement = (
            select(tables.alarm)
            .where(*_conditions(wanted))
            .order_by(ALARM.timestamp.desc(), ALARM.alarm_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [alarm_of(row) for row in connection.execute(statement)]

    def history(self, wanted: HistoryFilter, limit: int) -> list[AlarmChange]:
        """At most `limit` lines of the history of an alarm or of all, newest first; of deleted alarms too."""
        statement = (
            select(tables.alarm_change)
            .where(*_history_conditions(wanted))
            .order_by(CHANGE.timestamp.desc(), CHANGE.event_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [change_of(row) for row in connection.execute(statement)]

    def lease_due(self, now: datetime, interval: timedelta, limit: int) -> list[Alarm]:
        """Takes at most `limit` enabled alarms that are due, longest due first.

        Each is due again after `interval`. No two evaluators get the same alarm, and as its version grows,
        only the last to lease it can `record`.
        """
        with self._database.read() as connection:
            due = [alarm_of(row) for row in connection.execute(_due(now, interval).limit(limit))]
        if not due:
            return []
        leased = {"due_at": to_microseconds(now + interval), "evaluated_at": to_microseconds(now)}

        def work(connection: Connection) -> list[Alarm]:
            return [
                replace(alarm, version=alarm.version + 1, evaluated_at=now)
                for alarm in due
                if _is_swapped(connection, alarm, leased)
            ]

        return self._database.write_retrying(work)

    def record(self, transition: Transition) -> Alarm:
        """Writes state, line of history and deliveries owed, all or nothing; returns the alarm."""
        alarm = transition.alarm

        def work(connection: Connection) -> None:
            _swap(connection, alarm, alarm_row(alarm))
            if transition.change is not None:
                _write_change(connection, transition.change)
            _write_deliveries(connection, transition.deliveries)

        self._database.write_retrying(work)
        return replace(alarm, version=alarm.version + 1)

    def oldest_due(self) -> datetime | None:
        """When the longest waiting enabled alarm is or was due; None when there is none."""
        with self._database.read() as connection:
            due_at = connection.scalar(select(func.min(ALARM.due_at)).where(ALARM.enabled))
        return None if due_at is None else from_microseconds(due_at)


def _due(now: datetime, interval: timedelta) -> Select[*tuple[object, ...]]:
    clock_was_set_back = ALARM.due_at > to_microseconds(now + interval + CLOCK_SKEW)
    is_due = ALARM.enabled & ((ALARM.due_at <= to_microseconds(now)) | clock_was_set_back)
    return select(tables.alarm).where(is_due).order_by(ALARM.due_at, ALARM.alarm_id)


def _swap(connection: Connection, alarm: Alarm, row: Mapping[str, object]) -> None:
    if not _is_swapped(connection, alarm, row):
        raise Conflict(f"alarm {alarm.alarm_id} was changed or deleted")


def _is_swapped(connection: Connection, alarm: Alarm, row: Mapping[str, object]) -> bool:
    statement = (
        update(tables.alarm)
        .where(ALARM.alarm_id == alarm.alarm_id, ALARM.version == alarm.version)
        .values(**row, version=alarm.version + 1)
    )
    return connection.execute(statement).rowcount == 1


def _write_change(connection: Connection, change: AlarmChange) -> None:
    connection.execute(insert(tables.alarm_change).values(change_row(change)))


def _write_deliveries(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    if deliveries:
        connection.execute(insert(tables.delivery), [delivery_row(one) for one in deliveries])


def _conditions(wanted: AlarmFilter) -> list[ColumnElement[bool]]:
    pairs = (
        (ALARM.alarm_id, wanted.alarm_id),
        (ALARM.name, wanted.name),
        (ALARM.type, wanted.type),
        (ALARM.meter, wanted.meter),
        (ALARM.project_id, wanted.project_id),
        (ALARM.user_id, wanted.user_id),
        (ALARM.state, wanted.state),
        (ALARM.severity, wanted.severity),
        (ALARM.enabled, wanted.enabled),
    )
    conditions = [column == value for column, value in pairs if value is not None]
    if not wanted.scope.everything:
        conditions.append(ALARM.project_id == wanted.scope.project_id)
    return conditions


def _history_conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    pairs = (
        (CHANGE.alarm_id, wanted.alarm_id),
        (CHANGE.type, wanted.type),
        (CHANGE.severity, wanted.severity),
        (CHANGE.project_id, wanted.project_id),
        (CHANGE.user_id, wanted.user_id),
    )
    conditions = [column == value for column, value in pairs if value is not None]
    if not wanted.scope.everything:
        conditions.append(CHANGE.on_behalf_of == wanted.scope.project_id)
    if wanted.start is not None:
        start = to_microseconds(wanted.start)
        conditions.append(CHANGE.timestamp > start if wanted.start_open else CHANGE.timestamp >= start)
    if wanted.end is not None:
        end = to_microseconds(wanted.end)
        conditions.append(CHANGE.timestamp <= end if wanted.end_closed else CHANGE.timestamp < end)
    return conditions
