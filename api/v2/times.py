"""Times as the v2 API writes and reads them: naive UTC out, ISO 8601 in."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from storage.sample import EPOCH

_EPOCH = EPOCH.replace(tzinfo=None)

_ISO = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ][0-9:]+([.,][0-9]+)?\s*(Z|[+-][0-9:]+)?)?", re.ASCII)


def parse(text: str) -> datetime:
    """The UTC moment of an ISO 8601 text; without a zone it is UTC, digits below a microsecond are cut.

    Raises ValueError. Week and ordinal dates are refused: Python would read some of them as other days.
    """
    text = text.strip()
    if not _ISO.fullmatch(text):
        raise ValueError("not an ISO 8601 date and time")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is outside the calendar") from error


def text(moment: datetime) -> str:
    """The moment as `2013-01-04T16:42:00`, with `.ffffff` only when it is not on a whole second."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


@lru_cache(10_000)
def text_of(microseconds: int) -> str:
    """The same of microseconds since 1970; samples of one poll share their times, those of an hour its text."""
    seconds, rest = divmod(microseconds, 1_000_000)
    hour, second = divmod(seconds, len(SECONDS))
    text = hour_text(hour) + SECONDS[second]
    return f"{text}.{rest:06}" if rest else text


@lru_cache(1000)
def hour_text(hour: int) -> str:
    """The beginning of the text of every moment in this hour since 1970."""
    return (_EPOCH + timedelta(hours=hour)).isoformat(timespec="hours")


# Minutes and seconds behind the `hour_text` of a moment, by the second of its hour.
SECONDS: Final = [f":{second // 60:02}:{second % 60:02}" for second in range(3600)]
