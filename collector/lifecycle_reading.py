"""What a rule finds in a notification or sample about one resource, its paths prepared once."""

import math
from datetime import datetime

from collector.getters import Document, getter
from collector.instants import read_instant
from collector.lifecycle_definitions import LifeRule
from collector.normalize import IDENTIFIER_LIMIT
from collector.text import clean
from storage.fact import Attributes, Scalar
from storage.sample import INT64_MAX, INT64_MIN

TEXT_LIMIT = 1000  # characters of an attribute


class Reading:
    """Reads for one rule; it never changes, so any thread may use it."""

    def __init__(self, rule: LifeRule) -> None:
        self._resource, self._project = getter(rule.resource), getter(rule.project)
        self._type, self._size, self._status = getter(rule.type), getter(rule.size), getter(rule.status)
        self._zone, self._name = getter(rule.zone), getter(rule.name)
        self._more = [(name, getter(value)) for name, value in rule.attributes.items()]

    def resource_id(self, document: Document) -> str | None:
        """Whose life it is; None where nothing says it."""
        return _identifier(self._resource(document))

    def attributes(self, document: Document, *, is_over: bool) -> Attributes:
        """What a resource is like; its status after its end is none it ever had."""
        more = [(name, _scalar(get(document))) for name, get in self._more]
        return Attributes(
            _identifier(self._project(document)),
            _short(self._type(document)),
            _whole(self._size(document)),
            None if is_over else _short(self._status(document)),
            _short(self._zone(document)),
            _short(self._name(document)),
            tuple([(name, value) for name, value in more if value is not None]),
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


def _identifier(found: object) -> str | None:
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
