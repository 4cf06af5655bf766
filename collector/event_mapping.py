"""Notifications become events, as definition files say."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from collector.ceilometer import is_ceilometer
from collector.envelope import Notification
from collector.event_definitions import EventRule, TraitRule
from collector.event_plan import Plan
from collector.event_types import REMEMBERED, ByEventType, Names
from collector.expressions import Expression, read_path
from collector.instants import read_instant
from collector.mapping import document_of
from collector.normalize import FUTURE_LIMIT, IDENTIFIER_LIMIT
from collector.raw import raw_of
from collector.text import clean
from storage.event import Event

# At these priorities nothing happened: samples of Ceilometer's agents, and what helps to find faults in programs.
SILENT = frozenset({"sample", "debug"})

# What every notification may say, unless a rule knows better. Source: EventDefinition.DEFAULT_TRAITS of Ceilometer.
# The context is the sender's request; that of a periodic task belongs to a service, so it counts last.
# oslo.context writes user and project_id; services add user_id and tenant_id.
PROJECT = read_path("payload.tenant_id | payload.project_id | context.project_id | context.tenant_id")
USER = read_path("payload.user_id | context.user_id | context.user")
_SERVICE = TraitRule("service", "text", read_path("publisher_id"))
_REQUEST = TraitRule("request_id", "text", read_path("context.request_id"))


class EventMapping:
    """All rules, found by event type; it never changes, so any thread may use it.

    `drop_unmatched`: no event for types that no rule names. `store_raw`: priorities whose notifications are kept raw.
    """

    def __init__(
        self,
        rules: Iterable[EventRule],
        *,
        drop_unmatched: bool = False,
        store_raw: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = ByEventType((rule.events, rule) for rule in rules)
        self._drop_unmatched = drop_unmatched
        self._store_raw = store_raw
        self.plan = lru_cache(REMEMBERED)(self._plan_of)

    def event(self, notification: Notification, received_at: datetime) -> Event | None:
        """The event a notification tells of; None for Ceilometer's samples, debug messages and what is to be dropped.

        Its time is that of the notification, or `received_at` where that cannot be read or is more than 5 minutes
        ahead. A value that is not of its trait's type is left out; nothing about a notification costs its event.
        """
        plan = None if _is_silent(notification) else self.plan(notification.event_type)
        if plan is None:
            return None
        document = document_of(notification)
        project_id = _identifier(plan.projects, document)
        user_id = _identifier(plan.users, document)
        return Event(
            message_id=_name(notification.message_id),
            publisher_id=_name(notification.publisher_id),
            event_type=clean(notification.event_type),
            generated=_generated(notification.timestamp, received_at),
            traits=plan.found(document, project_id, user_id),
            project_id=project_id,
            user_id=user_id,
            raw=raw_of(notification) if notification.priority in self._store_raw else None,
        )

    def _plan_of(self, event_type: str) -> Plan | None:
        """The rules for a type as one: the operator's before packaged ones, the more exact before the general."""
        rules = sorted(self._rules.of(event_type), key=lambda rule: -rule.rank)
        is_named = any(_names_more_than_all(rule) for rule in rules)
        if self._drop_unmatched and not is_named:
            return None
        last = next((number for number, rule in enumerate(rules) if rule.replaces), len(rules))
        counted = rules[: last + 1]
        traits = {_SERVICE.name: _SERVICE, _REQUEST.name: _REQUEST}
        for rule in reversed(counted):
            traits |= {trait.name: trait for trait in rule.traits}
        return Plan.of(
            projects=[*(rule.project for rule in counted if rule.project), PROJECT],
            users=[*(rule.user for rule in counted if rule.user), USER],
            traits=tuple(traits.values()),
            is_named=is_named,
        )


def _is_silent(notification: Notification) -> bool:
    return notification.priority in SILENT or is_ceilometer(notification.event_type)


def _names_more_than_all(rule: EventRule) -> bool:
    return not isinstance(rule.events, Names) or rule.events.events != {"*"}


def _identifier(ways: Sequence[Expression], document: Mapping[str, object]) -> str | None:
    """The first that is text, and not more of it than an identifier may have."""
    for way in ways:
        found = way.value(document)
        if isinstance(found, str) and 0 < len(found) <= IDENTIFIER_LIMIT:
            return clean(found)
    return None


def _name(text: str) -> str:
    """A sender's name for something; one that is too long is replaced by its SHA-256, which names it as well."""
    if len(text) > IDENTIFIER_LIMIT:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return clean(text)


def _generated(timestamp: object, received_at: datetime) -> datetime:
    try:
        moment = read_instant(timestamp)
    except ValueError:
        return received_at
    return moment if moment - received_at <= FUTURE_LIMIT else received_at
