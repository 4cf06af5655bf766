"""Notifications become facts of the lives of resources, as definition files say."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from collector.envelope import Notification
from collector.event_types import ByEventType
from collector.expressions import Expression, Path
from collector.instants import read_instant
from collector.lifecycle_definitions import LifeRule, Role
from collector.mapping import FAILURES, document_of
from collector.normalize import FUTURE_LIMIT, IDENTIFIER_LIMIT
from collector.text import clean
from storage.fact import Attributes, Fact, Scalar, What, happened, seen, told
from storage.sample import INT64_MAX, INT64_MIN

WHAT_OF: Mapping[Role, What] = {"ends": "ends", "begins": "begins", "sees": "is", "says": "is"}
SILENT = frozenset({"sample", "debug"})
TEXT_LIMIT = 1000  # characters of an attribute


class LifecycleMapping:
    """All rules, found by event type; it never changes, so any thread may use it."""

    def __init__(self, rules: Iterable[LifeRule]) -> None:
        self._rules = ByEventType(
            (names, (rule, role)) for rule in rules for role, names in rule.roles.items()
        )

    def facts(self, notification: Notification, received_at: datetime) -> list[Fact]:
        """What a notification tells of the lives of resources; nothing wrong with it costs more than that fact.

        A report of a failure (priority error) may say what a resource is like, but begins and ends nothing.
        """
        if notification.priority in SILENT:
            return []
        document = document_of(notification)
        roles: dict[int, tuple[LifeRule, Role]] = {}
        for rule, role in self._rules.of(notification.event_type):
            roles.setdefault(id(rule), (rule, role))
        return [
            fact
            for rule, role in roles.values()
            if _is_meant(rule, document)
            for fact in _facts(rule, role, notification, document, received_at)
        ]


def _is_meant(rule: LifeRule, document: Mapping[str, object]) -> bool:
    return all(path.value(document) in values for path, values in rule.only)


def _facts(
    rule: LifeRule,
    role: Role,
    notification: Notification,
    document: dict[str, object],
    received_at: datetime,
) -> Iterator[Fact]:
    is_failure = notification.priority in FAILURES
    what = "is" if is_failure else WHAT_OF[role]
    members = [(None, None)] if rule.each is None else rule.each.members(document)
    for number, (key, item) in enumerate(members):
        found = document if rule.each is None else document | {"item": item, "key": key}
        resource_id = identifier_of(rule.resource, found)
        if resource_id is None:
            continue
        ended_at = None if is_failure else _instant(rule.ended_at, found, received_at)
        attributes = attributes_of(rule, found, is_over=what == "ends" or ended_at is not None)
        at = _instant(rule.at, found, received_at) or _moment(notification.timestamp, received_at)
        at = at or received_at
        if role == "sees":
            yield seen(rule.kind, resource_id, at, attributes)
        else:
            message = (notification.publisher_id, notification.message_id, str(number))
            yield happened(rule.kind, resource_id, what, at, attributes, *message)
        began_at = _instant(rule.began_at, found, received_at)
        if began_at is not None:
            yield told(rule.kind, resource_id, "begins", began_at)
        if ended_at is not None:
            yield told(rule.kind, resource_id, "ends", ended_at)


def attributes_of(rule: LifeRule, document: Mapping[str, object], *, is_over: bool) -> Attributes:
    """What a resource is like; its status after its end is none it ever had."""
    more = ((name, _scalar(value.value(document))) for name, value in rule.attributes.items())
    return Attributes(
        project_id=identifier_of(rule.project, document),
        type=_short(rule.type, document),
        size=_whole(rule.size, document),
        status=None if is_over else _short(rule.status, document),
        zone=_short(rule.zone, document),
        name=_short(rule.name, document),
        more=tuple((name, value) for name, value in more if value is not None),
    )


def _scalar(found: object) -> Scalar | None:
    """Text, not too long of it, a number or a truth value that can be stored; None for all else."""
    if isinstance(found, str):
        return clean(found[:TEXT_LIMIT])
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, int):
        return found if INT64_MIN <= found <= INT64_MAX else None
    return None


def identifier_of(expression: Expression | None, document: Mapping[str, object]) -> str | None:
    """An identifier; None where there is none or it is too long to be one."""
    found = None if expression is None else expression.value(document)
    return clean(found) if isinstance(found, str) and 0 < len(found) <= IDENTIFIER_LIMIT else None


def _short(expression: Expression | None, document: Mapping[str, object]) -> str | None:
    """Text as long as an identifier may be, the beginning of longer one."""
    found = None if expression is None else expression.value(document)
    return clean(found[:IDENTIFIER_LIMIT]) if isinstance(found, str) and found else None


def _whole(expression: Expression | None, document: Mapping[str, object]) -> int | None:
    """A whole number, be it written as text; None for all else."""
    found = None if expression is None else expression.value(document)
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < len(str(INT64_MAX)):
        found = int(found)
    if isinstance(found, float) and math.isfinite(found) and found.is_integer():
        found = int(found)
    return found if type(found) is int and INT64_MIN <= found <= INT64_MAX else None


def _instant(path: Path | None, document: Mapping[str, object], received_at: datetime) -> datetime | None:
    return None if path is None else _moment(path.value(document), received_at)


def _moment(value: object, received_at: datetime) -> datetime | None:
    """A time that can be read and has come; None for all else."""
    try:
        moment = read_instant(value)
    except ValueError:
        return None
    return moment if moment - received_at <= FUTURE_LIMIT else None
