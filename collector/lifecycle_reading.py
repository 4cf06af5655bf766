"""What a rule finds in a notification or sample about one resource, its paths prepared once."""

import math
from datetime import datetime

from collector.finding import Document, Finder, Found
from collector.instants import read_instant
from collector.lifecycle_definitions import LifeRule
from collector.normalize import IDENTIFIER_LIMIT
from collector.text import clean
from storage.fact import Attributes, Scalar
from storage.sample import INT64_MAX, INT64_MIN

TEXT_LIMIT = 1000  # characters of an attribute
TIMES, ATTRIBUTES = slice(7, 10), slice(10, None)  # places in what is found


class Reading:
    """Reads for one rule; it never changes, so any thread may use it.

    What it finds is a value (None: nothing) for each of resource, project, type, size, status, zone, name, at,
    began_at and ended_at, then one for each attribute.
    """

    def __init__(self, rule: LifeRule) -> None:
        named = (rule.resource, rule.project, rule.type, rule.size, rule.status, rule.zone, rule.name)
        self._finder = Finder((*named, rule.at, rule.began_at, rule.ended_at, *rule.attributes.values()))
        self._names = tuple(rule.attributes)

    def find(self, document: Document) -> Found:
        """What all its paths lead to."""
        return self._finder.find(document)

    def attributes(self, found: Found, *, is_over: bool) -> Attributes:
        """What a resource is like; its status after its end is none it ever had."""
        _, project, kind, size, status, zone, name, *_ = found
        more = []
        for its_name, value in zip(self._names, found[ATTRIBUTES], strict=True):
            scalar = None if value is None else _scalar(value)
            if scalar is not None:
                more.append((its_name, scalar))
        return Attributes(
            identifier(project),
            _short(kind),
            _whole(size),
            None if is_over else _short(status),
            _short(zone),
            _short(name),
            tuple(more),
        )


def moment(value: object, latest: datetime) -> datetime | None:
    """A time that can be read and is not after `latest`; None for all else."""
    if value is None:
        return None
    try:
        found = read_instant(value)
    except ValueError:
        return None
    return found if found <= latest else None


def _scalar(found: object) -> Scalar | None:
    """Text, not too long of it, a number or a truth value that can be stored; None for all else."""
    if isinstance(found, str):
        return clean(found[:TEXT_LIMIT])
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, int):
        return found if INT64_MIN <= found <= INT64_MAX else None
    return None


def identifier(found: object) -> str | None:
    """An identifier; None where there is none or it is too long to be one."""
    return clean(found) if isinstance(found, str) and 0 < len(found) <= IDENTIFIER_LIMIT else None


def _short(found: object) -> str | None:
    """Text as long as an identifier may be, the beginning of longer one."""
    return clean(found[:IDENTIFIER_LIMIT]) if isinstance(found, str) and found else None


def _whole(found: object) -> int | None:
    """A whole number, be it written as text; None for all else."""
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < len(str(INT64_MAX)):
        found = int(found)
    if isinstance(found, float) and math.isfinite(found) and found.is_integer():
        found = int(found)
    return found if type(found) is int and INT64_MIN <= found <= INT64_MAX else None
