"""The moments services write down, in all their ways, as UTC."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?:[Zz]|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII,
)
_USUAL_LENGTHS = (19, 26)  # without and with microseconds
_FARTHEST_OFFSET = timedelta(hours=14)


def read_instant(value: object) -> datetime:
    """The UTC moment of a datetime or of ISO 8601 text with `T` or a blank, exact to the microsecond.

    A value without a zone is UTC, as OpenStack services mean it. A leap second is the second after it;
    nanoseconds are cut. Raises ValueError for anything else: numbers, which could be seconds or
    milliseconds, week dates, and moments before 1970 or after 2200.
    """
    return _remembered(value) if isinstance(value, str) else _read(value)


def _read(value: object) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else _read_text(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time out of range") from error
    if not EARLIEST <= moment < LATEST:
        raise ValueError("a time before 1970 or after 2200")
    return moment


_remembered = lru_cache(4096)(_read)  # a notification's time is asked for by each of its samples


def _read_text(value: object) -> datetime:
    if isinstance(value, str) and _has_usual_form(value):
        with suppress(ValueError):  # a leap second, or no time
            usual = datetime.fromisoformat(value)
            if usual.tzinfo is None:
                return usual
    match = _ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a time that is not ISO 8601 text")
    *numbers, second, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute = map(int, numbers)
    leap = timedelta(seconds=1) if second == "60" else timedelta()
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    zone = _zone(sign, hours, minutes)
    moment = datetime(year, month, day, hour, minute, int(second) - leap.seconds, microsecond, zone)
    return moment if not leap else moment.replace(microsecond=0) + leap


def _has_usual_form(text: str) -> bool:
    """Whether it is as `datetime.isoformat` writes it, with a blank or `T`, unless digits are something else."""
    return (
        len(text) in _USUAL_LENGTHS
        and text[10] in " T"
        and text[4] == text[7] == "-"
        and text[13] == text[16] == ":"
        and text[19:20] in (".", "")
    )


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > _FARTHEST_OFFSET or int(minutes or 0) > 59:
        raise ValueError("a time zone farther than 14 hours")
    return timezone(-offset if sign == "-" else offset)
