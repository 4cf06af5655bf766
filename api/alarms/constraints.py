"""Time constraints: whether an alarm is to be evaluated now."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from api.alarms import cron
from storage.alarm import TimeConstraint
from storage.calendar import zone


def is_within(constraints: Iterable[TimeConstraint], now: datetime) -> bool:
    """Whether any of the constraints holds at `now`; without constraints always."""
    constraints = list(constraints)
    return not constraints or any(_holds(one, now) for one in constraints)


def check(constraint: TimeConstraint) -> None:
    """Raises ValueError when the start, zone or duration of a constraint can never be evaluated."""
    cron.parse(constraint.start)
    zone(constraint.timezone or "UTC")
    if not 0 <= constraint.duration_s <= timedelta(days=366).total_seconds():
        raise ValueError("duration is a number of seconds, at most a year")


def _holds(constraint: TimeConstraint, now: datetime) -> bool:
    duration = timedelta(seconds=constraint.duration_s)
    start = cron.parse(constraint.start).latest(
        now, zone(constraint.timezone or "UTC"), duration + timedelta(minutes=1)
    )
    # A start holds for its whole minute, so that a duration of 0 is not a window nobody can meet.
    return start is not None and now <= start + max(duration, timedelta(seconds=59, microseconds=999_999))
