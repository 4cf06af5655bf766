"""Samples and events as Ceilometer's publishers write them, so that its consumers read ours."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from collector.signature import SIGNATURE, sign
from storage.event import Event, Trait
from storage.sample import Sample, make_id, to_microseconds

# Source: ceilometer/event/models.py, Trait.
DTYPES: Mapping[str, int] = {"text": 1, "integer": 2, "float": 3, "datetime": 4}


def message_id(sample: Sample) -> str:
    """A UUID that stays the same however often the sample is sent: receivers can tell a double by it."""
    if sample.id is not None:
        return str(uuid.UUID(bytes=sample.id))
    moment = str(to_microseconds(sample.timestamp))
    parts = (sample.project_id or "", sample.resource_id, sample.meter, sample.type, sample.unit, moment)
    return str(uuid.UUID(bytes=make_id("sample", *parts)))


def sample_object(sample: Sample) -> dict[str, object]:
    """What Ceilometer's http, file and zaqar publishers send. Source: ceilometer/sample.py, as_dict."""
    return {
        "id": message_id(sample),
        "name": sample.meter,
        "type": sample.type,
        "unit": sample.unit,
        "volume": sample.volume,
        "user_id": sample.user_id,
        "user_name": None,
        "project_id": sample.project_id,
        "project_name": None,
        "resource_id": sample.resource_id,
        "timestamp": sample.timestamp.isoformat(),
        "resource_metadata": dict(sample.metadata),
        "source": sample.source,
        "monotonic_time": None,
    }


def sample_message(sample: Sample, secret: str | None) -> dict[str, object]:
    """What its notifier, udp and tcp publishers send; signed when there is a secret.

    Source: ceilometer/publisher/utils.py, meter_message_from_counter.
    """
    message: dict[str, object] = {
        "source": sample.source,
        "counter_name": sample.meter,
        "counter_type": sample.type,
        "counter_unit": sample.unit,
        "counter_volume": sample.volume,
        "user_id": sample.user_id,
        "user_name": None,
        "project_id": sample.project_id,
        "project_name": None,
        "resource_id": sample.resource_id,
        "timestamp": sample.timestamp.isoformat(),
        "resource_metadata": dict(sample.metadata),
        "message_id": message_id(sample),
        "monotonic_time": None,
    }
    return _signed(message, secret)


def event_object(event: Event) -> dict[str, object]:
    """What its publishers send of an event. Source: ceilometer/event/models.py, serialize."""
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": _naive(event.generated),
        "traits": [[trait.name, DTYPES[trait.type], _trait_value(trait)] for trait in event.traits],
        "raw": dict(event.raw or {}),
    }


def event_message(event: Event, secret: str | None) -> dict[str, object]:
    """The same, signed when there is a secret."""
    return _signed(event_object(event), secret)


def _signed(message: dict[str, object], secret: str | None) -> dict[str, object]:
    message[SIGNATURE] = sign(message, secret) if secret else ""
    return message


def _trait_value(trait: Trait) -> object:
    return _naive(trait.value) if isinstance(trait.value, datetime) else trait.value


def _naive(moment: datetime) -> str:
    """As oslo.utils' normalize_time writes it: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()
