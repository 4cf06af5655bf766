"""Samples that Ceilometer's own agents put on the bus, taken as they are."""

from collections.abc import Mapping

from collector.draft import Draft, unreadable
from collector.envelope import Notification
from collector.errors import InvalidMessage
from collector.signature import is_signed
from storage.sample import make_id

POLLED = frozenset({"telemetry.polling", "telemetry.api"})
PUBLISHED = "metering"  # and metering.<meter>, with per_meter_topic


def is_ceilometer(event_type: str) -> bool:
    """Whether notifications of this type hold Ceilometer's sample messages."""
    return event_type in POLLED or event_type == PUBLISHED or event_type.startswith(f"{PUBLISHED}.")


def ceilometer_drafts(notification: Notification, secret: str | None) -> list[Draft]:
    """The readings in a notification of Ceilometer; each must be signed when there is a secret.

    Raises InvalidMessage when there is no list of samples.
    """
    payload = notification.payload
    samples = payload.get("samples") if isinstance(payload, Mapping) else payload
    if not isinstance(samples, list):
        raise InvalidMessage("no list of samples")
    return [_draft(notification, number, sample, secret) for number, sample in enumerate(samples)]


def _draft(notification: Notification, number: int, sample: object, secret: str | None) -> Draft:
    if not isinstance(sample, Mapping):
        return unreadable("a sample is not an object")
    message_id = sample.get("message_id")
    own = message_id if isinstance(message_id, str) and message_id else f"{notification.message_id}/{number}"
    return Draft(
        meter=sample.get("counter_name"),
        type=sample.get("counter_type"),
        unit=sample.get("counter_unit"),
        volume=sample.get("counter_volume"),
        resource_id=sample.get("resource_id"),
        project_id=sample.get("project_id"),
        timestamp=sample.get("timestamp"),
        user_id=sample.get("user_id"),
        source=sample.get("source"),
        metadata=sample.get("resource_metadata"),
        id=make_id("ceilometer", own),
        flaw="unsigned" if secret and not is_signed(sample, secret) else None,
    )
