"""The header Retry-After: how long a server asks to be left alone (RFC 9110, 10.2.3)."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_S = 10**9


def asked_wait(text: str, now: datetime) -> timedelta | None:
    """What it asks for, in seconds or as a date; None when absent or unreadable."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), LONGEST_S))
    try:
        return max(parsedate_to_datetime(text) - now, timedelta())
    except (ValueError, TypeError):
        return None
