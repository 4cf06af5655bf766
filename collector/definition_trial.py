"""What definitions would make of one notification, and why not more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from collector.definitions import Entry, Meter
from collector.draft import Draft
from collector.envelope import Notification
from collector.event_definitions import TraitRule
from collector.event_mapping import EventMapping
from collector.event_types import ByEventType
from collector.expressions import Constant, Expression
from collector.mapping import FAILURES, MeterMapping, document_of, documents
from collector.normalize import Unfit, normalize
from collector.places import place
from collector.traits import trait_value
from storage.event import Event
from storage.sample import Sample


@dataclass(frozen=True, slots=True)
class MeterTrial:
    """One reading of a meter: the sample, or why there is none. `is_refused`: it would go to quarantine."""

    meter: str
    sample: Sample | None
    reason: str
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class EventTrial:
    """The event, None when none is kept; why traits that are defined are not in it; whether a rule named its type."""

    event: Event | None
    left_out: dict[str, str]
    is_named: bool


def try_meters(entries: Iterable[Entry], notification: Notification, now: datetime) -> list[MeterTrial]:
    """What each meter of these entries gives, in their order; one that gives nothing appears once."""
    return [
        trial
        for entry in entries
        for meter in entry.meters
        for trial in _meter(replace(entry, meters=(meter,)), notification, now)
    ]


def try_event(mapping: EventMapping, notification: Notification, now: datetime) -> EventTrial:
    """What the rules of this mapping give."""
    event = mapping.event(notification, now)
    plan = mapping.plan(notification.event_type)
    if event is None or plan is None:
        return EventTrial(event, {}, is_named=plan is not None and plan.is_named)
    there = {trait.name for trait in event.traits}
    missing = [rule for rule in plan.traits if rule.name not in there]
    return EventTrial(
        event, {rule.name: _why_no_trait(rule, notification) for rule in missing}, plan.is_named
    )


def _meter(entry: Entry, notification: Notification, now: datetime) -> Iterator[MeterTrial]:
    drafts = MeterMapping([entry]).drafts(notification)
    for draft in drafts:
        settled = normalize(draft, now)
        if isinstance(settled, Unfit):
            reason = f"refused: {settled.reason}{_missing(entry, draft)}"
            yield MeterTrial(str(draft.meter), None, reason, is_refused=True)
        else:
            yield MeterTrial(settled.meter, settled, "")
    if not drafts:
        yield MeterTrial(_name(entry.meters[0]), None, _why_no_sample(entry, notification))


def _missing(entry: Entry, draft: Draft) -> str:
    """What the definition looks for in vain, as the end of a sentence."""
    sought = {
        "volume": (draft.volume, entry.meters[0].volume),
        "resource": (draft.resource_id, entry.resource),
    }
    names = [f"{name}{_at(expression)}" for name, (found, expression) in sought.items() if found is None]
    return f"; not in the notification: {', '.join(names)}" if names else ""


def _at(expression: Expression) -> str:
    """Where something is looked for, where a path says so."""
    path = place(expression)
    return path and f" ({path})"


def _name(meter: Meter) -> str:
    return str(meter.name.written) if isinstance(meter.name, Constant) else "(named by the notification)"


def _why_no_sample(entry: Entry, notification: Notification) -> str:
    """The first thing that stands against a sample, as `MeterMapping.drafts` goes about it."""
    event_type = notification.event_type
    if not ByEventType([(entry.events, entry)]).of(event_type):
        return f"not for {event_type}, but for {entry.events}"
    if notification.priority in FAILURES:
        return f"priority {notification.priority}: a report of a failure holds no reading"
    found = documents(entry, notification)
    if not found:
        return "the notification names none of what it looks for"
    if all(entry.resource.value(document) is None for document in found):
        return f"there is no resource yet{_at(entry.resource)}"  # else it would have been refused
    meter = entry.meters[0]
    volume = meter.volume.value(found[0])
    if volume is None:
        return f"there is no volume{_at(meter.volume)}"
    return f"the volume is {volume!r}, which says nothing"


def _why_no_trait(rule: TraitRule, notification: Notification) -> str:
    value = rule.value.value(document_of(notification))
    if value is None:
        return "there is nothing"
    return f"{value!r} is no {rule.type}" if trait_value(rule.type, value) is None else ""
