"""Notifications become facts of the lives of resources, as definition files say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from collector.envelope import Notification
from collector.event_types import REMEMBERED, ByEventType
from collector.expressions import Path
from collector.lifecycle_definitions import LifeRule, Role
from collector.lifecycle_reading import TIMES, Reading, identifier, moment
from collector.mapping import FAILURES, document_of
from collector.normalize import FUTURE_LIMIT
from storage.fact import Fact, What, happened, seen, told

WHAT_OF: Mapping[Role, What] = {"ends": "ends", "begins": "begins", "sees": "is", "says": "is"}
SILENT = frozenset({"sample", "debug"})


class LifecycleMapping:
    """All rules, found by event type; it never changes, so any thread may use it."""

    def __init__(self, rules: Iterable[LifeRule]) -> None:
        self._rules = ByEventType(
            (names, plan)
            for number, rule in enumerate(rules)
            for names, plan in ((names, _plan(number, rule, role)) for role, names in rule.roles.items())
        )
        self._of = lru_cache(REMEMBERED)(self._plans)

    def facts(self, notification: Notification, received_at: datetime) -> list[Fact]:
        """What a notification tells of the lives of resources; nothing wrong with it costs more than that fact.

        A report of a failure (priority error) may say what a resource is like, but begins and ends nothing.
        """
        plans = self._of(notification.event_type)
        if not plans or notification.priority in SILENT:
            return []
        document = document_of(notification)
        facts: list[Fact] = []
        for plan in plans:
            if not plan.only or all(path.value(document) in values for path, values in plan.only):
                facts += _facts(plan, notification, document, received_at)
        return facts

    def _plans(self, event_type: str) -> tuple["_Plan", ...]:
        """What is for this type, each rule once."""
        found: dict[int, _Plan] = {}
        for plan in self._rules.of(event_type):
            found.setdefault(plan.rule, plan)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Plan:
    """A rule (by its number) for the event types to which it gives one role."""

    rule: int
    kind: str
    what: What
    is_look: bool
    only: tuple[tuple[Path, frozenset[str]], ...]
    each: Path | None
    reading: Reading


def _plan(number: int, rule: LifeRule, role: Role) -> _Plan:
    return _Plan(
        number,
        rule.kind,
        WHAT_OF[role],
        role == "sees",
        rule.only,
        rule.each,
        Reading(rule),
    )


def _facts(
    plan: _Plan, notification: Notification, document: dict[str, object], received_at: datetime
) -> list[Fact]:
    is_failure = notification.priority in FAILURES
    what: What = "is" if is_failure else plan.what
    latest = received_at + FUTURE_LIMIT
    facts: list[Fact] = []
    for number, its_document in enumerate(_documents(plan.each, document)):
        found = plan.reading.find(its_document)
        resource_id = identifier(found[0])
        if resource_id is None:
            continue
        at, began_at, ended_at = [None if value is None else moment(value, latest) for value in found[TIMES]]
        if is_failure:
            ended_at = None
        attributes = plan.reading.attributes(found, is_over=what == "ends" or ended_at is not None)
        at = at or moment(notification.timestamp, latest) or received_at
        if plan.is_look:
            facts.append(seen(plan.kind, resource_id, at, attributes))
        else:
            message = (notification.publisher_id, notification.message_id, str(number))
            facts.append(happened(plan.kind, resource_id, what, at, attributes, *message))
        if began_at is not None:
            facts.append(told(plan.kind, resource_id, "begins", began_at))
        if ended_at is not None:
            facts.append(told(plan.kind, resource_id, "ends", ended_at))
    return facts


def _documents(each: Path | None, document: dict[str, object]) -> list[dict[str, object]]:
    """What paths start from, once for each resource."""
    if each is None:
        return [document]
    return [document | {"item": item, "key": key} for key, item in each.members(document)]
