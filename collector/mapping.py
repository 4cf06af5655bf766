"""Notifications become drafts of samples, as definition files say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from collector.definitions import Entry, Meter
from collector.draft import Draft
from collector.envelope import Notification
from collector.event_types import ByEventType
from collector.expressions import Expression, unwrapped
from collector.getters import Getter, getter
from storage.sample import make_id

# Failures are reported at these priorities; what they carry describes no resource.
FAILURES = frozenset({"error", "critical"})
USER_METADATA_PREFIX = "metering."


class MeterMapping:
    """All definitions, found by event type; it never changes, so any thread may use it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._plans = ByEventType((entry.events, _Plan.of(entry)) for entry in entries)

    def drafts(self, notification: Notification) -> list[Draft]:
        """The readings a notification holds; all of one resource share time and metadata.

        Empty for event types no definition names, for reports of failures, and for the `.start` of
        operations on things that have no id yet.
        """
        if notification.priority in FAILURES:
            return []
        drafts: list[Draft] = []
        replaced: set[str] = set()  # a name may turn out to be anything
        for plan in self._plans.of(notification.event_type):
            entry = plan.entry
            found = [
                draft
                for number, document in enumerate(documents(entry, notification))
                for draft in _drafts(plan, notification, document, number)
            ]
            if replaced and not entry.replaces:
                found = [draft for draft in found if str(draft.meter) not in replaced]
            drafts += found
            if entry.replaces:
                replaced.update(str(draft.meter) for draft in found)
        return drafts


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
    meter: Meter
    name: Getter
    type: Getter
    unit: Getter
    volume: Getter


@dataclass(frozen=True, slots=True)
class _Plan:
    """An entry whose expressions are prepared."""

    entry: Entry
    resource: Getter
    project: Getter
    user: Getter
    timestamp: Getter
    metadata: Sequence[tuple[str, Getter]]
    meters: Sequence[_Meter]

    @classmethod
    def of(cls, entry: Entry) -> "_Plan":
        owner = getter(entry.resource), getter(entry.project), getter(entry.user)
        metadata = [(key, getter(value)) for key, value in entry.metadata.items()]
        meters = [
            _Meter(one, getter(one.name), getter(one.type), getter(one.unit), getter(one.volume))
            for one in entry.meters
        ]
        return cls(entry, *owner, getter(entry.timestamp), metadata, meters)


def _drafts(
    plan: _Plan, notification: Notification, document: dict[str, object], number: int
) -> Iterator[Draft]:
    resource_id = plan.resource(document)
    if resource_id is None and notification.event_type.endswith(".start"):
        return
    project_id, user_id = plan.project(document), plan.user(document)
    metadata, timestamp = _metadata(plan, document), plan.timestamp(document)
    for meter in plan.meters:
        volume = meter.volume(document)
        if _says_nothing(meter.meter, volume):
            continue
        name, kind = meter.name(document), meter.type(document)
        identity = (notification.publisher_id, notification.message_id, f"{name}/{number}")
        yield Draft(
            meter=name,
            type=kind,
            unit=meter.unit(document),
            volume=volume,
            resource_id=resource_id,
            project_id=project_id,
            timestamp=notification.timestamp if timestamp is None else timestamp,
            user_id=user_id,
            metadata=metadata,
            id=make_id(*identity) if kind == "delta" else None,  # resource and time name all others
        )


def _says_nothing(meter: Meter, volume: object) -> bool:
    return (volume is None and meter.optional) or (isinstance(volume, str) and volume in meter.ignored)


def _metadata(plan: _Plan, document: dict[str, object]) -> dict[str, object]:
    entry = plan.entry
    metadata = {key: value for key, get in plan.metadata if (value := get(document)) is not None}
    if entry.user_metadata:
        metadata["user_metadata"] = _user_metadata(entry.user_metadata, document)
    bare = entry.bare_metadata.value(document) if entry.bare_metadata and not metadata else None
    return {str(key): value for key, value in bare.items()} if isinstance(bare, Mapping) else metadata


def _user_metadata(path: Expression, document: dict[str, object]) -> dict[str, object]:
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
