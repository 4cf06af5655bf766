"""The outer shape of messages: oslo.messaging notifications, and the batches agents send.

An agent's batch is a JSON array, so that no key can appear twice:

    ["nephometer.samples", 1, [metadata, …], [[meter, type, unit, volume, resource_id, project_id,
      microseconds since 1970, user_id, source, index into the metadata list, generation, hex id], …]]
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import msgspec

from collector.draft import Draft, unreadable
from collector.errors import InvalidMessage
from collector.strict_json import parse
from storage.sample import Sample, SampleType, from_microseconds, to_microseconds

BATCH_FORMAT = "nephometer.samples"
BATCH_VERSION = 1
WRAPPINGS = 4  # envelope 2 is two JSON texts in one another; some relays add one more
EVENT_TYPE_LIMIT = 255  # characters
CONTEXT_PREFIX = "_context_"


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of a service, unwrapped.

    `timestamp` is the sender's text. `context` holds the request context without its `_context_` prefix.
    `priority` is lower case. A sender that gave no `message_id` gets one made from the bytes it sent.
    """

    message_id: str
    publisher_id: str
    event_type: str
    priority: str
    payload: object
    timestamp: object
    context: Mapping[str, object] = field(default_factory=dict, hash=False)


def decode_notification(body: bytes) -> Notification:
    """The notification in an oslo.messaging body of envelope version 1 or 2; raises InvalidMessage.

    Source: oslo.messaging `common.py` (envelope) and `notify/notifier.py` (fields).
    """
    message = _unwrap(body)
    event_type = message.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise InvalidMessage("a notification needs an event_type")
    if len(event_type) > EVENT_TYPE_LIMIT:
        raise InvalidMessage(f"an event_type longer than {EVENT_TYPE_LIMIT} characters")
    if "payload" not in message:
        raise InvalidMessage("a notification needs a payload")
    message_id = message.get("message_id")
    return Notification(
        message_id=message_id
        if isinstance(message_id, str) and message_id
        else hashlib.sha256(body).hexdigest(),
        publisher_id=_text(message.get("publisher_id")),
        event_type=event_type,
        priority=_text(message.get("priority")).lower(),
        payload=message["payload"],
        timestamp=message.get("timestamp"),
        context={
            key.removeprefix(CONTEXT_PREFIX): value
            for key, value in message.items()
            if key.startswith(CONTEXT_PREFIX)
        },
    )


def encode_batch(samples: Sequence[Sample]) -> bytes:
    """One agent batch: integers exact, equal metadata written once, the same bytes for the same samples."""
    known: dict[bytes, int] = {}
    metadata: list[object] = []
    rows: list[list[object]] = []
    for sample in samples:
        flat = dict(sample.metadata)
        index = known.setdefault(_encode(flat), len(metadata))
        if index == len(metadata):
            metadata.append(flat)
        rows.append(_row(sample, index))
    return _encode([BATCH_FORMAT, BATCH_VERSION, metadata, rows])


def decode_batch(body: bytes) -> list[Sample]:
    """The samples of an agent batch that `encode_batch` made; raises InvalidMessage.

    The values are the sender's: `collector.normalize` decides whether they may be stored.
    """
    return [_sample(draft) for draft in decode_drafts(body)]


def decode_drafts(body: bytes) -> list[Draft]:
    """What an agent batch claims, reading by reading, so that one bad reading stands alone.

    Raises InvalidMessage when the batch as a whole cannot be read.
    """
    match _parse_batch(body):
        case [str(name), int(version), list(metadata), list(rows)] if (name, version) == (
            BATCH_FORMAT,
            BATCH_VERSION,
        ):
            return [_draft(row, metadata) for row in rows]
    raise InvalidMessage(f"not a {BATCH_FORMAT} batch of version {BATCH_VERSION}")


def _unwrap(body: bytes) -> Mapping[str, object]:
    value = parse(body)
    for _ in range(WRAPPINGS):
        if isinstance(value, str):
            value = parse(value)
        elif isinstance(value, dict) and "oslo.message" in value:
            value = value["oslo.message"]
        elif isinstance(value, dict):
            return value
        else:
            raise InvalidMessage("a notification is a JSON object")
    raise InvalidMessage("wrapped too often")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _encode(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate; the collector will replace it
        return json.dumps(value, separators=(",", ":"), default=str).encode()


def _row(sample: Sample, metadata: int) -> list[object]:
    return [
        sample.meter,
        sample.type,
        sample.unit,
        sample.volume,
        sample.resource_id,
        sample.project_id,
        to_microseconds(sample.timestamp),
        sample.user_id,
        sample.source,
        metadata,
        sample.generation,
        sample.id.hex() if sample.id is not None else None,
    ]


def _parse_batch(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return parse(body)  # the slow reader tells NaN and huge numbers apart from broken JSON


def _draft(row: object, metadata: Sequence[object]) -> Draft:
    """The draft of one row; a row of the wrong shape becomes a draft that says so when it is normalised."""
    if not isinstance(row, list) or len(row) != 12:
        return unreadable("a reading of the batch is not a list of 12 values")
    (
        meter,
        kind,
        unit,
        volume,
        resource_id,
        project_id,
        moment,
        user_id,
        source,
        index,
        generation,
        identity,
    ) = row
    known = type(index) is int and 0 <= index < len(metadata)
    return Draft(
        meter=meter,
        type=kind,
        unit=unit,
        volume=volume,
        resource_id=resource_id,
        project_id=project_id,
        timestamp=_moment(moment),
        user_id=user_id,
        source=source,
        metadata=metadata[index] if known else index,
        generation=generation,
        id=_identity(identity),
    )


def _moment(microseconds: object) -> datetime | None:
    if type(microseconds) is not int:
        return None
    try:
        return from_microseconds(microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _identity(text: object) -> object:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _sample(draft: Draft) -> Sample:
    """A sample of fields that a faithful sender wrote; only their outer types are looked at here."""
    texts = (draft.meter, draft.type, draft.unit, draft.resource_id, draft.source)
    if not all(isinstance(text, str) for text in texts) or not isinstance(draft.timestamp, datetime):
        raise InvalidMessage("a reading of the batch has a field of the wrong type")
    if type(draft.volume) not in (int, float) or not isinstance(draft.metadata, dict):
        raise InvalidMessage("a reading of the batch has a field of the wrong type")
    return Sample(
        meter=cast("str", draft.meter),  # checked above, as are the following
        type=cast("SampleType", draft.type),
        unit=cast("str", draft.unit),
        volume=cast("int | float", draft.volume),
        resource_id=cast("str", draft.resource_id),
        project_id=cast("str | None", draft.project_id),
        timestamp=draft.timestamp,
        user_id=cast("str | None", draft.user_id),
        source=cast("str", draft.source),
        metadata=draft.metadata,
        generation=cast("str | None", draft.generation),
        id=cast("bytes | None", draft.id),
    )
