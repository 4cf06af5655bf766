"""Calendar periods in a time zone: the days and months people are billed by, some of 23 or 25 hours."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]

UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Periods of one unit as clocks in a zone (an IANA name) show them. Weeks begin on Monday.

    Raises ValueError for a zone nobody knows.
    """

    unit: Unit
    zone: str = "UTC"
    _clock: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_clock", zone(self.zone))

    def edges(self, start: datetime, end: datetime, limit: int) -> list[datetime]:
        """Where the periods that hold a part of [start, end) begin, and where the last of them ends; all in UTC.

        Each ends where the next begins. Raises ValueError for more than `limit` periods, a start that is not before
        the end, and times no calendar has.
        """
        if start >= end:
            raise ValueError("the start must be before the end")
        found: list[datetime] = []
        try:
            for edge in self._from(start.astimezone(UTC)):
                if edge <= start:
                    found = [edge]
                elif not found or edge > found[-1]:  # a day that a zone left out has no length
                    found.append(edge)
                if edge >= end:
                    return found
                if len(found) > limit:
                    raise ValueError(f"more than {limit} periods ({self.unit})")
        except OverflowError as error:
            raise ValueError("times must be between the years 2 and 9998") from error
        raise AssertionError("periods never end")

    def _from(self, start: datetime) -> Iterator[datetime]:
        """Edges from one before `start` on: a day earlier, as some days begin later than at midnight."""
        before = start.astimezone(self._clock).date() - timedelta(days=1)
        if self.unit == "hour":
            edge = self._midnight(before)
            while True:
                yield edge
                local = edge.astimezone(self._clock)
                edge += _HOUR - timedelta(
                    minutes=local.minute, seconds=local.second, microseconds=local.microsecond
                )
        day = self._first_day(before)
        while True:
            yield self._midnight(day)
            day = self._next_day(day)

    def _first_day(self, day: date) -> date:
        """The first day of the period that holds this one."""
        if self.unit == "day":
            return day
        if self.unit == "week":
            return day - timedelta(days=day.weekday())
        months = _MONTHS[self.unit]
        return date(day.year, (day.month - 1) // months * months + 1, 1)

    def _next_day(self, day: date) -> date:
        """The first day of the period after the one that begins on this day."""
        if self.unit in ("day", "week"):
            return day + timedelta(days=7 if self.unit == "week" else 1)
        years, month = divmod(day.month - 1 + _MONTHS[self.unit], 12)
        if day.year + years > date.max.year:
            raise OverflowError("date value out of range")
        return date(day.year + years, month + 1, 1)

    def _midnight(self, day: date) -> datetime:
        """When clocks first show this day."""
        return datetime(day.year, day.month, day.day, tzinfo=self._clock).astimezone(UTC)


def zone(name: str) -> ZoneInfo:
    """The IANA zone of a name, as Europe/Prague; raises ValueError for one nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone: {name!r:.100}") from error
