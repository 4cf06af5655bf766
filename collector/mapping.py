"""Notifications become drafts of samples, as definition files say."""

from collections.abc import Iterable, Iterator, Mapping

from collector.definitions import Entry, Meter
from collector.draft import Draft
from collector.envelope import Notification
from collector.event_types import ByEventType
from collector.expressions import Expression, unwrapped
from storage.sample import make_id

# Failures are reported at these priorities; what they carry describes no resource.
FAILURES = frozenset({"error", "critical"})
USER_METADATA_PREFIX = "metering."


class MeterMapping:
    """All definitions, found by event type; it never changes, so any thread may use it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = ByEventType((entry.events, entry) for entry in entries)

    def drafts(self, notification: Notification) -> list[Draft]:
        """The readings a notification holds; all of one resource share time and metadata.

        Empty for event types no definition names, for reports of failures, and for the `.start` of
        operations on things that have no id yet.
        """
        if notification.priority in FAILURES:
            return []
        drafts: list[Draft] = []
        replaced: set[str] = set()  # a name may turn out to be anything
        for entry in self._entries.of(notification.event_type):
            found = [
                draft
                for number, document in enumerate(documents(entry, notification))
                for draft in _drafts(entry, notification, document, number)
                if entry.replaces or str(draft.meter) not in replaced
            ]
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


def _drafts(
    entry: Entry, notification: Notification, document: dict[str, object], number: int
) -> Iterator[Draft]:
    resource_id = entry.resource.value(document)
    if resource_id is None and notification.event_type.endswith(".start"):
        return
    project_id = entry.project.value(document) if entry.project else None
    user_id = entry.user.value(document) if entry.user else None
    metadata = _metadata(entry, document)
    timestamp = entry.timestamp.value(document) if entry.timestamp else None
    for meter in entry.meters:
        volume = meter.volume.value(document)
        if _says_nothing(meter, volume):
            continue
        name, kind = meter.name.value(document), meter.type.value(document)
        identity = (notification.publisher_id, notification.message_id, f"{name}/{number}")
        yield Draft(
            meter=name,
            type=kind,
            unit=meter.unit.value(document),
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


def _metadata(entry: Entry, document: dict[str, object]) -> dict[str, object]:
    found = {key: value.value(document) for key, value in entry.metadata.items()}
    metadata = {key: value for key, value in found.items() if value is not None}
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
