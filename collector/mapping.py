"""Notifications become drafts of samples, as definition files say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from collector.definitions import Entry, Meter
from collector.draft import Draft, Reading, Told
from collector.envelope import Notification
from collector.event_types import ByEventType
from collector.expressions import Constant, Expression, unwrapped
from collector.finding import Document, Finder, Found
from storage.sample import make_id

# Failures are reported at these priorities; what they carry describes no resource.
FAILURES = frozenset({"error", "critical"})
USER_METADATA_PREFIX = "metering."


class MeterMapping:
    """All definitions, found by event type; it never changes, so any thread may use it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._plans = ByEventType((entry.events, _Plan.of(entry)) for entry in entries)

    def told(self, notification: Notification) -> list[Told]:
        """What a notification says, resource by resource; each of them has a reading.

        Empty for event types no definition names, for reports of failures, and for the `.start` of
        operations on things that have no id yet.
        """
        if notification.priority in FAILURES:
            return []
        told: list[Told] = []
        replaced: set[str] = set()  # a name may turn out to be anything
        for plan in self._plans.of(notification.event_type):
            found = [
                one
                for number, document in enumerate(documents(plan.entry, notification))
                if (one := _told(plan, notification, document, number)) is not None
            ]
            if plan.entry.replaces:
                replaced.update(str(name) for one in found for name, *_ in one.readings)
            elif replaced:
                found = [_without(one, replaced) for one in found]
            told += [one for one in found if one.readings]
        return told

    def drafts(self, notification: Notification) -> list[Draft]:
        """The same reading by reading."""
        return [draft for told in self.told(notification) for draft in told.drafts()]


def document_of(notification: Notification) -> dict[str, object]:
    """What the paths of definitions start from."""
    return {
        "payload": notification.payload,
        "context": notification.context,
        "event_type": notification.event_type,
        "publisher_id": notification.publisher_id,
        "message_id": notification.message_id,
        "timestamp": notification.timestamp,
        "priority": notification.priority,
        # The same as Ceilometer's files call it.
        "ctxt": notification.context,
        "metadata": {"message_id": notification.message_id, "timestamp": notification.timestamp},
    }


def documents(entry: Entry, notification: Notification) -> list[dict[str, object]]:
    """What the paths of an entry start from, one for each resource the notification names."""
    document = document_of(notification)
    if entry.each is None:
        return [document]
    return [document | {"item": item, "key": key} for key, item in entry.each.members(document)]


@dataclass(frozen=True, slots=True)
class _Meter:
    """A meter, and its name, type and unit where nothing has to be looked up."""

    meter: Meter
    fixed: tuple[object, object, object] | None

    @classmethod
    def of(cls, meter: Meter) -> "_Meter":
        about = meter.name, meter.type, meter.unit
        written = [one.written for one in about if isinstance(one, Constant)]
        return cls(meter, (written[0], written[1], written[2]) if len(written) == len(about) else None)

    def about(self, document: Document) -> tuple[object, object, object]:
        """Its name, type and unit."""
        meter = self.meter
        return self.fixed or (
            meter.name.value(document),
            meter.type.value(document),
            meter.unit.value(document),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """An entry, and what finds its resource, project, user and time, its metadata, and the volumes of its meters."""

    entry: Entry
    finder: Finder
    meters: Sequence[_Meter]

    @classmethod
    def of(cls, entry: Entry) -> "_Plan":
        common = entry.resource, entry.project, entry.user, entry.timestamp
        volumes = [meter.volume for meter in entry.meters]
        finder = Finder([*common, *entry.metadata.values(), *volumes])
        return cls(entry, finder, [_Meter.of(meter) for meter in entry.meters])


def _told(plan: _Plan, notification: Notification, document: Document, number: int) -> Told | None:
    """What an entry finds of the resource it names with this number; None where there is nothing."""
    resource_id, project_id, user_id, timestamp, *found = plan.finder.find(document)
    if resource_id is None and notification.event_type.endswith(".start"):
        return None
    readings: list[Reading] = []
    for meter, volume in zip(plan.meters, found[len(plan.entry.metadata) :], strict=True):
        if _says_nothing(meter.meter, volume):
            continue
        name, kind, unit = meter.about(document)
        identity = None
        if kind == "delta":  # resource and time name all others
            identity = make_id(notification.publisher_id, notification.message_id, f"{name}/{number}")
        readings.append((name, kind, unit, volume, identity))
    if not readings:
        return None
    return Told(
        resource_id,
        project_id,
        notification.timestamp if timestamp is None else timestamp,
        user_id,
        _metadata(plan.entry, found, document),
        readings,
    )


def _without(told: Told, names: set[str]) -> Told:
    """The same but for meters of these names."""
    return msgspec.structs.replace(told, readings=[one for one in told.readings if str(one[0]) not in names])


def _says_nothing(meter: Meter, volume: object) -> bool:
    return (volume is None and meter.optional) or (isinstance(volume, str) and volume in meter.ignored)


def _metadata(entry: Entry, found: Found, document: Document) -> dict[str, object]:
    """What begins the values that were found, by name."""
    metadata = {key: value for key, value in zip(entry.metadata, found, strict=False) if value is not None}
    if entry.user_metadata:
        metadata["user_metadata"] = _user_metadata(entry.user_metadata, document)
    bare = entry.bare_metadata.value(document) if entry.bare_metadata and not metadata else None
    return {str(key): value for key, value in bare.items()} if isinstance(bare, Mapping) else metadata


def _user_metadata(path: Expression, document: Document) -> dict[str, object]:
    """What the owner marked for metering: keys `metering.a.b` of a server become `a_b`.

    Source: Ceilometer's `reserved_metadata_namespace`; dots would read as nesting in queries.
    """
    found = unwrapped(path.value(document))
    if not isinstance(found, Mapping):
        return {}
    return {
        key.removeprefix(USER_METADATA_PREFIX).replace(".", "_"): value
        for key, value in found.items()
        if isinstance(key, str) and key.startswith(USER_METADATA_PREFIX)
    }
