"""Notifications as events keep them raw, and back."""

from collections.abc import Mapping

from collector.envelope import Notification
from collector.text import TRUNCATED, Limits, tidy_metadata
from storage.event import Event

LIMITS = Limits(string_bytes=64 * 2**10, keys=10_000, all_bytes=256 * 2**10)


def raw_of(notification: Notification) -> dict[str, object]:
    """What is kept of a notification beside the fields of its event, without secrets and within limits.

    Keys: payload, context, priority, timestamp; and `metadata_truncated` where something had to be left out.
    """
    return tidy_metadata(
        {
            "priority": notification.priority,
            "timestamp": notification.timestamp,
            "payload": notification.payload,
            "context": notification.context,
        },
        LIMITS,
    )


def notification_of(event: Event) -> Notification | None:
    """The notification an event was made from, less its secrets; None where it was not kept, or not all of it."""
    raw = event.raw
    if not raw or "payload" not in raw or TRUNCATED in raw:
        return None
    context, priority = raw.get("context"), raw.get("priority")
    return Notification(
        message_id=event.message_id,
        publisher_id=event.publisher_id,
        event_type=event.event_type,
        priority=priority if isinstance(priority, str) else "",
        payload=raw["payload"],
        timestamp=raw.get("timestamp"),
        context=context if isinstance(context, Mapping) else {},
    )
