"""When a cron text last came true: five fields, read in a time zone, without double starts at clock changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# 29 February comes after eight years at the latest (1896 to 1904, 2096 to 2104).
LONGEST_GAP = timedelta(days=8 * 366)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron text; `parse` makes one. Days of the week count from Sunday, 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def latest(self, now: datetime, zone: ZoneInfo, within: timedelta) -> datetime | None:
        """The last start at or before `now`, in UTC; None if there is none that recently.

        A start that the clocks skip in spring happens when they have jumped; one they repeat in autumn
        happens the first time only.
        """
        oldest = now - min(within, LONGEST_GAP)
        last_day = oldest.astimezone(zone).date() - timedelta(days=1)
        day = now.astimezone(zone).date()
        while day >= last_day:
            past = [start for start in self._starts(day, zone) if start <= now]
            if past:
                return max(past) if max(past) >= oldest else None
            day -= timedelta(days=1)
        return None

    def _starts(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        if self._is_on(day):
            for hour, minute in product(self.hours, self.minutes):
                yield datetime.combine(day, time(hour, minute), zone).astimezone(UTC)

    def _is_on(self, day: date) -> bool:
        on_day, on_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        is_day = (on_day or on_weekday) if self.either_day else (on_day and on_weekday)
        return is_day and day.month in self.months


def parse(text: str) -> Cron:
    """The cron text in parts; raises ValueError saying which field is wrong.

    As in crontab(5): lists, ranges, steps and names; when both day fields are restricted, either is enough.
    """
    fields = ALIASES.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise ValueError("a cron text has five fields: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    return Cron(
        minutes=_field("minute", minute, 0, 59),
        hours=_field("hour", hour, 0, 23),
        days=_field("day", day, 1, 31),
        months=_field("month", month, 1, 12, MONTHS),
        weekdays=frozenset(value % 7 for value in _field("weekday", weekday, 0, 7, DAYS)),
        either_day=not day.startswith("*") and not weekday.startswith("*"),
    )


def _field(name: str, text: str, lowest: int, highest: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            width = int(step) if slash else 1
            begin = lowest if first == "*" else _number(first, lowest, names)
            open_end = highest if first == "*" or slash else begin
            end = _number(last, lowest, names) if dash else open_end
        except ValueError:
            raise ValueError(f"{name} {part!r} is not a number, range or step") from None
        if not (lowest <= begin <= end <= highest and width > 0):
            raise ValueError(f"{name} {part!r} is not within {lowest}-{highest}")
        values.update(range(begin, end + 1, width))
    return frozenset(values)


def _number(text: str, lowest: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + lowest
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError(text)
    return int(text)
